// Owns what a person writes: the shape of posthouse.config.ts, its documentation and `defineConfig`. Every key is
// optional; what a key becomes is config.ts, what is wrong with it config-schema.ts.

import type { FaultRuleInput } from '../policy/fault-rules.ts'
import type { InboundInput } from './config-input-inbound.ts'
import type { ReportsInput } from './config-input-reports.ts'

/** '30s', '5m', '4h', '5d', '1h30m', '250ms'; a number is milliseconds. */
export type DurationInput = string | number
/** '50MiB', '10 MB', '512k'; a number is bytes. */
export type SizeInput = string | number

/** 'host:port' (host an IP address or 'localhost', IPv6 in brackets), a port (on 127.0.0.1), several of them, or false: off. */
export type ListenerInput = false | true | string | number | readonly string[] | ListenerOptionsInput

export interface ListenerOptionsInput {
  address?: string | number | readonly string[]
  /** Offer AUTH without TLS. Default false. Submission listeners only. */
  insecureAuth?: boolean
  /** Limits of this listener alone. */
  limits?: SmtpLimitsInput
}

export interface HttpListenerInput {
  address?: string | number | readonly string[]
  /** Names that a Host header may carry besides loopback addresses and `hostname`. */
  hosts?: readonly string[]
}

export interface PlainHttpListenerInput extends HttpListenerInput {
  /**
   * Who comes by this listener, and not from this machine, is sent to HTTPS; true: at the port of `listeners.https`, a
   * number: at this port, as others see it. Challenges of authorities are answered all the same. Default false.
   */
  redirect?: boolean | number
}

export interface ListenersInput {
  /** Mail from other servers. Default '127.0.0.1:2525'. */
  mx?: ListenerInput
  /** Mail from our users, STARTTLS. Default '127.0.0.1:2587'. */
  submission?: ListenerInput
  /** Mail from our users, TLS from the first byte. Default '127.0.0.1:2465'. */
  submissions?: ListenerInput
  /** LMTP from another MTA. Default false; true is '127.0.0.1:2424'. */
  lmtp?: ListenerInput
  /** The HTTP API and the console, /metrics, /healthz, /readyz. Default '127.0.0.1:8025'. */
  http?: false | true | string | number | readonly string[] | PlainHttpListenerInput
  /** The same with TLS, and the MTA-STS policies of our domains. Default false; true is '127.0.0.1:8443'. */
  https?: false | true | string | number | readonly string[] | HttpListenerInput
}

/** A certificate chain and its key as PEM files, paths relative to the config file. Read again when they change. */
export interface TlsFilesInput {
  cert: string
  key: string
}

/** Certificates that an authority makes (ACME, RFC 8555), renews, and that are shown without a restart. */
export interface AcmeInput {
  /** You agree to the terms of the authority; it is asked for nothing until this is true. Default false. */
  agreeTermsOfService?: boolean
  /** 'letsencrypt' (default), 'letsencrypt-staging', or the URL of a directory. */
  directory?: string
  /** PEM file of the roots that vouch for the directory's own server: an authority of your own. Default: the system's. */
  ca?: string
  /** Where the authority can reach you. */
  email?: string
  /** http-01 (default): port 80 of this machine is asked. dns-01: records are published, see `dnsHook`. */
  challenge?: 'http-01' | 'dns-01'
  /**
   * dns-01: a program with its first arguments, called with `add|remove NAME VALUE` behind them, or a URL that gets them
   * as JSON by POST. Default: `posthouse cert list` says what to publish, and the server waits until it sees it.
   */
  dnsHook?: string | readonly string[]
  /** dns-01: how long a record may take to be seen. Default 2m. Without a hook at least an hour. */
  dnsWait?: DurationInput
  /** More names in the certificate of `hostname`. */
  names?: readonly string[]
  /** Of authorities that want to know their customers: the key id and the key that they gave ('env:NAME'). */
  eabKid?: string
  eabKey?: string
  /** Default 'ecdsa' (P-256); rsa is 2048 bits. */
  keyType?: 'ecdsa' | 'rsa'
}

export interface AccountInput {
  /** The password, 'env:NAME', or an argon2id hash ('$argon2id$...'). Default: one is made on the first start and shown once. false: no login. */
  password?: string | false
  /** Default true. */
  enabled?: boolean
}

export interface DomainInput {
  /** By local part ('alice') or whole address. A string is the password. */
  accounts?: Readonly<Record<string, AccountInput | string>>
  /** Name to targets: local parts of this domain, or addresses here or outside. */
  aliases?: Readonly<Record<string, string | readonly string[]>>
  /** Who gets mail that nobody else does: a local part or an address. */
  catchAll?: string | false
  /** alice+anything@ is alice@. Default true. */
  plusAddressing?: boolean
  /** Default true; false refuses its mail for now. */
  enabled?: boolean
}

/**
 * 'mx', 'hold', 'discard', 'capture', 'smtp://user:password@host:port', 'smtps://...', 'lmtp://host:port', with
 * '?tls=none|may|must|verify'; or 'env:NAME' of a variable that holds one.
 */
export type RouteInput = string

export interface DeliveryInput {
  /** relay: out to the world. capture (default): kept here for you to look at. hold: waits for `queue release`. discard: thrown away. */
  mode?: 'relay' | 'capture' | 'hold' | 'discard'
  /** Port of hosts found by MX. Default 25. */
  port?: number
  /** By recipient domain: 'corp.test', '*.corp.test' (names below it), '*' (all others; default 'mx'). Used in mode 'relay'. */
  routes?: Readonly<Record<string, RouteInput>>
}

/** Mode `capture`: the catcher. */
export interface CaptureInput {
  /** AUTH is offered on the mx listener, without TLS too, and any name and password is taken. Default false. */
  anyLogin?: boolean
  /** Mail is taken from any address, not from this machine only. Default false. */
  anyClient?: boolean
  /** 'login': mail of who logged in goes into an inbox of that name. Default 'one': all mail into one. */
  inboxes?: 'one' | 'login'
  /** The oldest captured mail goes when there is more. Default 0: no limit. */
  messagesMax?: number
  /** The same by size. Default 0: no limit. */
  bytesMax?: SizeInput
  /** The same by age. Default 0: no limit. */
  ageMax?: DurationInput
  /** Keep the SMTP conversation with each message. Default true. */
  conversations?: boolean
  /** Sending captured mail on to real addresses. */
  release?: {
    /** 'mx', 'smtp://user:password@host:port'... Default: nothing can be released. */
    server?: RouteInput
    /** Patterns ('*@example.test') of addresses that mail may be released to. Default: any, by hand only. */
    allow?: readonly string[]
    /** Mail to an allowed address is sent on as it comes. Default false. */
    auto?: boolean
  }
  /** What goes wrong on purpose. */
  faults?: {
    /** Chances repeat with it. Default 1. */
    seed?: number
    rules?: readonly FaultRuleInput[]
    /** Ready sets of rules: 'flaky', 'greylisting', 'slow', 'down'... */
    profiles?: readonly string[]
  }
}

/** The HTTP API and the console, at `listeners.http`. */
export interface ApiInput {
  /** 'open': nobody has to log in; only for addresses that nobody else reaches. Default 'login'. */
  auth?: 'login' | 'open'
  /** Accounts that administer: see all mail, the queue, accounts and tokens. Default: the built-in configuration's account. */
  admins?: readonly string[]
  /** Webhooks, inbound routes and link checks may ask loopback and private addresses. Default false. */
  allowPrivateUrls?: boolean
}

export interface NetworksInput {
  /** Addresses or networks ('10.0.0.0/8') that may relay without AUTH. Default none. */
  relay?: readonly string[]
  /** Clients whose bare LF and CR are repaired instead of refused. Default none. */
  repairLineEndings?: readonly string[]
}

export interface SmtpLimitsInput {
  /** Longest command line. Default 8 KiB. */
  lineBytesMax?: SizeInput
  /** Default 50 MiB. */
  messageBytesMax?: SizeInput
  /** Recipients of one message. Default 1000, at least 100. */
  recipientsMax?: number
  /** Messages of one session; 0 (default): no limit. */
  transactionsMax?: number
  /** Errors of one session before we hang up. Default 20. */
  errorsMax?: number
  /** Commands without a message in between. Default 10000. */
  commandsMax?: number
  /** Default 5000. */
  connectionsMax?: number
  /** Default 500. */
  connectionsPerAddressMax?: number
  /** Waiting for a command. Default 5m. */
  commandTimeout?: DurationInput
  /** Waiting for more of a message. Default 5m. */
  dataTimeout?: DurationInput
  /** A whole session. Default 24h. */
  sessionTimeout?: DurationInput
}

export interface LimitsInput extends SmtpLimitsInput {
  /** New mail is refused (452) while less than this is free on disk. Default 100 MiB. */
  minFreeBytes?: SizeInput
  /** A message with more Received lines is a loop. Default 100 (RFC 5321 section 6.3). */
  receivedMax?: number
}

export interface RetryInput {
  /** Wait before the second try. Default 30s. */
  first?: DurationInput
  /** Longest wait between tries. Default 1h. */
  max?: DurationInput
  /** Bounce after. Default 5d. */
  giveUpAfter?: DurationInput
  /** Tell the sender that it takes long. Default 4h; false: never. */
  delayNoticeAfter?: DurationInput | false
}

export interface DnsInput {
  /** 'address' or 'address:port'. Default: the system's. */
  servers?: readonly string[]
  /** For one question, all servers and repeats included. Default 10s. */
  timeout?: DurationInput
  /** Whether these servers are believed when they say that DNSSEC vouches for an answer (DANE needs it). Default: on this machine only. */
  trustAd?: boolean
}

export type TlsPolicyInput = 'none' | 'may' | 'must' | 'verify'

export interface RelayInput {
  /** Open connections to one destination. Default 20. */
  connectionsPerDestination?: number
  /** Then the connection is closed. Default 100. */
  messagesPerConnection?: number
  /** Recipients in one transaction. Default 100. */
  recipientsPerMessage?: number
  /** How long an idle connection is kept. Default 5s. */
  idleTimeout?: DurationInput
  /** For all, or by recipient domain ('corp.test', '*.corp.test', '*'). Default 'may'. */
  tls?: TlsPolicyInput | Readonly<Record<string, TlsPolicyInput>>
  /** TLSA records decide who a host is, where DNSSEC vouches for them. Default true. */
  dane?: boolean
  /** Policies that domains publish over HTTPS are kept and obeyed. Default true. */
  mtaSts?: boolean
  /** Local address to dial from. */
  sourceAddress?: string
}

/** A private key in PEM, readable by the server's user alone; relative to the config file. */
export interface DkimKeyInput {
  selector: string
  file: string
}

export interface DkimInput {
  /** Sign what our users and programs send, where its From is of a domain with a key. Default true. */
  sign?: boolean
  /** Of new keys. Default both: receivers take the one they know. */
  keyTypes?: readonly ('rsa' | 'ed25519')[]
  /** Of new RSA keys. Default 2048. */
  rsaBits?: number
  /** New keys by themselves after so long, once their records are seen in DNS. Default false: `posthouse dkim rotate`. */
  rotateEvery?: false | DurationInput
  /** How long the record of a key that no longer signs is to stay. Default 7d. */
  retireAfter?: DurationInput
  /** By domain: keys from files, instead of those of the store. */
  keys?: Readonly<Record<string, DkimKeyInput | readonly DkimKeyInput[]>>
}

/** What our domains say about themselves in DNS, as `posthouse domain dns` prints it. */
export interface PublishInput {
  /** Hosts that take mail for our domains, best first. Default: `hostname`. */
  mx?: readonly string[]
  /** Who gets reports of other servers: a local part of each domain, or an address. Default 'postmaster'. */
  reportsTo?: string
  /** The whole SPF record. Default: the MX hosts send, nobody else. */
  spf?: string
  /** What others shall do with forged mail. Default 'none': only report it. */
  dmarc?: 'none' | 'quarantine' | 'reject'
  /** Default 'testing'. 'none': no policy. */
  mtaSts?: 'none' | 'testing' | 'enforce'
  /** Default 7d. */
  mtaStsMaxAge?: DurationInput
  /** TLSA records of our certificate's key; for domains whose zone is signed. Default false. */
  tlsa?: boolean
}

/** Mail that aliases of ours send on to others. */
export interface ForwardingInput {
  /** Its reverse-path becomes an address of the alias's domain, so that SPF holds; bounces find their way back. Default false. */
  srs?: boolean
  /** It gets an ARC seal: what we found of it, signed by the key of the alias's domain. Default false. */
  arc?: boolean
}

export interface SubmissionInput {
  /** The sender must be an address of the account that logged in. Default true. */
  senderMustMatch?: boolean
}

export interface RetentionInput {
  /** How long the story of a finished message is kept. Default 7d. */
  timeline?: DurationInput
  /** At most so many finished messages. Default 1000000. */
  messagesMax?: number
}

export interface LogInput {
  /** Default 'info'. */
  level?: 'error' | 'warn' | 'info' | 'debug' | 'trace' | 'silent'
  /** Coloured lines for people instead of JSON. Default 'auto': on a terminal. */
  pretty?: boolean | 'auto'
}

export interface ControlInput {
  /** Path of the control socket (its folder is made with mode 0700). Default: a short path in the system's run or temp folder. */
  socket?: string
}

export interface StopInput {
  /** How long open transactions may take to finish. Default 30s. */
  timeout?: DurationInput
}

/** posthouse.config.ts. `{}` is a whole server in its safe default. */
export interface ConfigInput {
  /** Our name in greetings, EHLO and Received. Default: the machine's. */
  hostname?: string
  /** Where everything is kept, relative to the config file. Default './data'. */
  dataDir?: string
  listeners?: ListenersInput
  /**
   * 'self-signed' (default, made on the first start), false: none offered, or your files; of several each is shown to
   * those who ask for one of its names, the first one to all others.
   */
  tls?: 'self-signed' | false | TlsFilesInput | readonly TlsFilesInput[]
  /** Certificates by an authority, for `hostname` and what is served over HTTPS. */
  acme?: AcmeInput
  /** What we are home to. Default: localhost with one account. */
  domains?: Readonly<Record<string, DomainInput>>
  delivery?: DeliveryInput
  /** Mode `capture`. */
  capture?: CaptureInput
  api?: ApiInput
  /** Checks of mail that comes in. Default none. */
  inbound?: InboundInput
  networks?: NetworksInput
  limits?: LimitsInput
  retry?: RetryInput
  dns?: DnsInput
  relay?: RelayInput
  submission?: SubmissionInput
  dkim?: DkimInput
  publish?: PublishInput
  forwarding?: ForwardingInput
  reports?: ReportsInput
  retention?: RetentionInput
  log?: LogInput
  control?: ControlInput
  stop?: StopInput
}

/** Gives the configuration its type; returns it as it is. */
export function defineConfig(config: ConfigInput): ConfigInput {
  return config
}
