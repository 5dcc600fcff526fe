// Owns the answer to "where does mail for this domain go?": local accounts first, then the mode, then the routes of the
// configuration, then MX. It does not look anything up; the relay does that when it tries.

import { type HostRoute, type Route, releasePrefix, routeDestination } from '../relay/route.ts'
import { type ByDomain, type DeliveryMode, lookupByDomain } from './config.ts'

export interface RouterOptions {
  readonly mode: DeliveryMode
  readonly routes: ByDomain<Route>
  readonly isOurs: (domain: string) => boolean
  /** Where an operator's release of captured mail goes. */
  readonly release?: Route | undefined
}

export interface RoutedDomain {
  readonly destination: string
  /** Accepted, but it goes nowhere before an operator releases it. */
  readonly held: boolean
}

const mx: Route = { kind: 'mx' }

export class Router {
  readonly #options: RouterOptions
  readonly #hosts = new Map<string, HostRoute>()

  constructor(options: RouterOptions) {
    this.#options = options
    const { routes, release } = options
    for (const route of [...Object.values(routes), ...(release === undefined ? [] : [release])]) {
      if (route.kind === 'smtp' || route.kind === 'lmtp') this.#hosts.set(routeDestination(route, ''), route)
    }
  }

  get mode(): DeliveryMode {
    return this.#options.mode
  }

  /** Where mail for accounts of our own domain goes: into our mailboxes, or to a host that a route names for just this domain. */
  local(domain: string): RoutedDomain {
    const route = this.#options.mode === 'relay' ? this.#options.routes[domain] : undefined
    return route === undefined || route.kind === 'mx'
      ? { destination: 'local', held: false }
      : this.#routed(route, domain)
  }

  /** Where mail for a domain of others goes. In mode capture, hold and discard nothing but an operator's release sends it out. */
  outside(domain: string): RoutedDomain {
    const route = this.#route(domain)
    switch (this.#options.mode) {
      case 'capture':
        return { destination: 'capture', held: false }
      case 'discard':
        return { destination: 'discard', held: false }
      case 'hold':
        return { ...this.#routed(route.kind === 'hold' ? mx : route, domain), held: true }
      case 'relay':
        return this.#routed(route, domain)
    }
  }

  /** The destination that a delivery of this domain has today; used when the configuration changed while mail waited. */
  destinationOf(domain: string): RoutedDomain {
    return this.#options.isOurs(domain) ? this.local(domain) : this.outside(domain)
  }

  /** The host behind a scheduling key; MX destinations need none. */
  hostRoute(destination: string): Route | undefined {
    const key = destination.startsWith(releasePrefix) ? destination.slice(releasePrefix.length) : destination
    return key.startsWith('mx:') ? mx : this.#hosts.get(key)
  }

  #route(domain: string): Route {
    return lookupByDomain(this.#options.routes, domain) ?? mx
  }

  #routed(route: Route, domain: string): RoutedDomain {
    return route.kind === 'hold'
      ? { destination: `mx:${domain}`, held: true }
      : { destination: routeDestination(route, domain), held: false }
  }
}
