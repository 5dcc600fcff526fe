// Owns the icons: line drawings on a 20 by 20 grid, all of one weight.

import type { JSX } from 'preact'

const shapes = {
  horn: 'M3.5 11a4 4 0 1 0 8 0 4 4 0 0 0-8 0c0-4.5 3-6 6-6h3.5l4-2v7l-4-2M11.5 11v5',
  mail: 'M3 5.5h14v9H3zM3 6l7 5 7-5',
  queue: 'M3 5h14M3 10h9M3 15h5M14.5 12v5M12 14.5l2.5 2.5 2.5-2.5',
  chart: 'M3 17V3M3 17h14M7 13v-3M11 13V6M15 13v-5',
  globe:
    'M10 3a7 7 0 1 0 0 14 7 7 0 0 0 0-14zM3 10h14M10 3c2.5 2 3 4.5 3 7s-.5 5-3 7c-2.5-2-3-4.5-3-7s.5-5 3-7z',
  key: 'M7 9.5a3.5 3.5 0 1 0 0 7 3.5 3.5 0 0 0 0-7zM9.5 10.5 16 4M13.5 6.500l2 2M11.5 8.500l1.5 1.5',
  cog: 'M10 7.5a2.5 2.5 0 1 0 0 5 2.5 2.5 0 0 0 0-5zM10 3v2M10 15v2M3 10h2M15 10h2M5 5l1.4 1.4M13.6 13.6 15 15M15 5l-1.4 1.4M6.4 13.6 5 15',
  pen: 'M4 16l.7-3.2L13.5 4 16 6.5l-8.8 8.8zM11.5 6 14 8.5',
  bolt: 'M11 2.5 4.5 11.5H9L8.5 17.5 15.5 8.5H11z',
  plug: 'M7 3v4M13 3v4M5 7h10v2a5 5 0 0 1-10 0zM10 14v3.5',
  search: 'M9 3.5a5.5 5.5 0 1 0 0 11 5.5 5.5 0 0 0 0-11zM13 13l4 4',
  trash: 'M4 6h12M8 6V3.5h4V6M5.5 6l.7 10.5h7.6L14.5 6M8.5 9v5M11.5 9v5',
  star: 'M10 3l2.1 4.5 4.9.6-3.6 3.4.9 4.9-4.3-2.4-4.3 2.4.9-4.9L3 8.1l4.9-.6z',
  unread: 'M3 8v7h14V8M3 8l7-5 7 5M3 8l7 4.5L17 8',
  read: 'M3 5.5h14v9H3zM3 6l7 5 7-5',
  tag: 'M3 9.5V3.5h6l8 8-6 6zM6.5 6.5h.01',
  clip: 'M15.5 9.3 9.7 15a3.4 3.4 0 0 1-4.8-4.800l6.2-6.200a2.3 2.3 0 0 1 3.2 3.200l-6.1 6.100a1.1 1.1 0 0 1-1.6-1.600l5.6-5.6',
  back: 'M12 4l-6 6 6 6',
  next: 'M8 4l6 6-6 6',
  up: 'M4 12l6-6 6 6',
  down: 'M4 8l6 6 6-6',
  close: 'M5 5l10 10M15 5 5 15',
  check: 'M4 10.500l4 4 8-9',
  more: 'M4.5 9.2a.8.8 0 1 0 0 1.6.8.8 0 0 0 0-1.6zM10 9.2a.8.8 0 1 0 0 1.6.8.8 0 0 0 0-1.6zM15.5 9.2a.8.8 0 1 0 0 1.6.8.8 0 0 0 0-1.6z',
  copy: 'M7 7h9v9H7zM4 13V4h9',
  link: 'M8.5 11.500l3-3M9.5 6.5 11 5a2.8 2.8 0 0 1 4 4l-1.5 1.500M10.5 13.5 9 15a2.8 2.8 0 0 1-4-4l1.5-1.5',
  out: 'M11 4h5v5M16 4l-7 7M13 11v5H4V7h5',
  send: 'M3 9.5 17 3l-4 14-3-6zM10 11l7-8',
  download: 'M10 3v9M6.5 9l3.5 3.500L13.5 9M4 16.500h12',
  image: 'M3 4.500h14v11H3zM3 13l4-4 3 3 3-3 4 4M7 7.500h.01',
  code: 'M7 6l-4 4 4 4M13 6l4 4-4 4M11 4 9 16',
  text: 'M4 5h12M4 9h12M4 13h8',
  tree: 'M4 3v11h5M4 8h5M9 6h7v4H9zM9 12h7v4H9z',
  list: 'M7 5h10M7 10h10M7 15h10M3.5 5h.01M3.5 10h.01M3.5 15h.01',
  route:
    'M5 4a1.5 1.5 0 1 0 0 3 1.5 1.5 0 0 0 0-3zM15 13a1.5 1.5 0 1 0 0 3 1.5 1.5 0 0 0 0-3zM5 7v4a3.5 3.5 0 0 0 3.5 3.500h5',
  shield: 'M10 3l6 2v5c0 3.5-2.5 6-6 7-3.5-1-6-3.5-6-7V5zM7.5 10l2 2 3.5-4',
  warning: 'M10 3.5 17.5 16.500h-15zM10 8.500v4M10 14.500h.01',
  info: 'M10 3a7 7 0 1 0 0 14 7 7 0 0 0 0-14zM10 9v5M10 6.500h.01',
  question:
    'M10 3a7 7 0 1 0 0 14 7 7 0 0 0 0-14zM8 8a2 2 0 1 1 2.700 1.900c-.5.2-.7.6-.7 1.100v.5M10 13.500h.01',
  fault: 'M10 3a7 7 0 1 0 0 14 7 7 0 0 0 0-14zM10 6v5M10 13.500h.01',
  phone: 'M6.5 3h7v14h-7zM9.5 15h1',
  tablet: 'M4.5 3h11v14h-11zM9.5 15h1',
  desktop: 'M3 4h14v9H3zM7 16.500h6M10 13v3.5',
  sun: 'M10 7a3 3 0 1 0 0 6 3 3 0 0 0 0-6zM10 2.500V4M10 16v1.500M2.5 10H4M16 10h1.500M4.7 4.700l1 1M14.3 14.300l1 1M15.3 4.700l-1 1M5.7 14.300l-1 1',
  moon: 'M16 11.500A6.5 6.5 0 0 1 8.5 4 6.5 6.5 0 1 0 16 11.500z',
  auto: 'M10 3a7 7 0 1 0 0 14 7 7 0 0 0 0-14zM10 3v14',
  contrast: 'M10 3a7 7 0 1 0 0 14zM10 3a7 7 0 0 1 0 14',
  refresh: 'M16 10a6 6 0 1 1-1.8-4.300L16 7.500M16 3.500v4h-4',
  pause: 'M7 4v12M13 4v12',
  play: 'M6 4l10 6-10 6z',
  bounce: 'M4 6h8a4 4 0 0 1 0 8H6M7 3 4 6l3 3',
  plus: 'M10 4v12M4 10h12',
  user: 'M10 3.500a3 3 0 1 0 0 6 3 3 0 0 0 0-6zM4 17c.5-3.5 3-5 6-5s5.5 1.5 6 5',
  calendar: 'M3.5 5h13v11.500h-13zM3.5 8.500h13M7 3v3.500M13 3v3.5',
  file: 'M5 3h7l3.5 3.500V17H5zM12 3v4h3.5',
  report: 'M5 3h10v14H5zM8 7h4M8 10h4M8 13h2',
  inbox: 'M3 11l2.5-6.500h9L17 11v5H3zM3 11h4l1 2h4l1-2h4',
  keyboard: 'M2.5 5.500h15v9h-15zM5.5 8.500h.01M8.5 8.500h.01M11.5 8.500h.01M14.5 8.500h.01M6.5 11.500h7',
  language: 'M3 5h8M7 3v2M4.5 11c3-1 5-3.5 5.5-6M5 7c1 2 3 3.5 5 4M10 17l3.5-8 3.5 8M11.3 14h4.4',
  eye: 'M2.5 10C4.5 6.5 7 5 10 5s5.5 1.5 7.5 5c-2 3.5-4.5 5-7.5 5s-5.5-1.5-7.5-5zM10 7.800a2.2 2.2 0 1 0 0 4.4 2.2 2.2 0 0 0 0-4.400z',
  exit: 'M12 4H4v12h8M8 10h9M14 7l3 3-3 3',
  wifi: 'M3 3l14 14M10 15.500h.01M7 12.500a4.2 4.2 0 0 1 3-1.300M4.5 9.500a8 8 0 0 1 3-1.900M11 7a8 8 0 0 1 4.5 2.5',
} as const

export type IconName = keyof typeof shapes

export function Icon(props: {
  readonly name: IconName
  readonly size?: number
  readonly filled?: boolean
}): JSX.Element {
  const { name, size = 18, filled = false } = props
  return (
    <svg
      width={size}
      height={size}
      viewBox="0 0 20 20"
      fill={filled ? 'currentColor' : 'none'}
      stroke="currentColor"
      stroke-width={1.6}
      stroke-linecap="round"
      stroke-linejoin="round"
      aria-hidden="true"
    >
      <path d={shapes[name]} />
    </svg>
  )
}
