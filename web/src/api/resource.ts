// Owns the loading of one thing for a component: its data, its error, a way to load again, and when it does so by itself.

import { useCallback, useEffect, useRef, useState } from 'preact/hooks'
import { onEvent } from './live.ts'

export interface Resource<T> {
  readonly data: T | undefined
  readonly error: unknown
  readonly loading: boolean
  reload(): void
}

export interface ResourceOptions {
  /** Loads again after events of which this holds, at most once a second. */
  readonly after?: (kind: string, messageId: string | undefined) => boolean
  /** Loads again so often while the page is visible. */
  readonly everyMs?: number
}

/** `key` undefined: nothing is loaded. While another key loads the old data is not shown. */
export function useResource<T>(
  key: string | undefined,
  load: (signal: AbortSignal) => Promise<T>,
  options: ResourceOptions = {},
): Resource<T> {
  const [state, setState] = useState<{ key?: string; data?: T; error?: unknown; loading: boolean }>({
    loading: true,
  })
  const [turn, setTurn] = useState(0)
  const reload = useCallback(() => setTurn((n) => n + 1), [])
  const latest = useRef(load)
  latest.current = load

  useEffect(() => {
    if (key === undefined) return
    const controller = new AbortController()
    setState((old) => (old.key === key ? { ...old, loading: true } : { key, loading: true }))
    latest.current(controller.signal).then(
      (data) => {
        if (!controller.signal.aborted) setState({ key, data, loading: false })
      },
      (error: unknown) => {
        if (controller.signal.aborted) return
        setState((old) => ({ ...(old.key === key ? old : { key }), error, loading: false }))
      },
    )
    return () => controller.abort()
  }, [key, turn])

  const { after, everyMs } = options
  const wants = useRef(after)
  wants.current = after
  useEffect(() => {
    if (key === undefined) return
    let timer: ReturnType<typeof setTimeout> | undefined
    const stop = onEvent((event) => {
      const wanted = event.kind === 'lost' || wants.current?.(event.kind, event.messageId) === true
      if (!wanted || timer !== undefined) return
      timer = setTimeout(() => {
        timer = undefined
        reload()
      }, 700)
    })
    const every =
      everyMs === undefined
        ? undefined
        : setInterval(() => document.visibilityState === 'visible' && reload(), everyMs)
    return () => {
      stop()
      clearTimeout(timer)
      clearInterval(every)
    }
  }, [key, everyMs, reload])

  const current = state.key === key
  return {
    data: current ? state.data : undefined,
    error: current ? state.error : undefined,
    loading: current ? state.loading : key !== undefined,
    reload,
  }
}
