// Owns the completion of a line of a talk: commands, and what EHLO announced with the parameters that belong to it. Pure.
// RFC 5321 section 4.1.1, RFC 1870, 3461, 4865, 4954, 6152, 6531, 6710, 7293, 8689.

export interface CompleteContext {
  /** As EHLO announced it: 'SIZE 1000', 'AUTH PLAIN LOGIN'. */
  readonly announced: readonly string[]
  readonly protocol: 'smtp' | 'lmtp'
  readonly hostname: string
  readonly dotCommands: readonly string[]
}

/** Parameters of MAIL and RCPT by the keyword that allows them. */
const mailParameters: Readonly<Record<string, readonly string[]>> = {
  SIZE: ['SIZE='],
  '8BITMIME': ['BODY=8BITMIME', 'BODY=7BIT'],
  BINARYMIME: ['BODY=BINARYMIME'],
  SMTPUTF8: ['SMTPUTF8'],
  DSN: ['RET=HDRS', 'RET=FULL', 'ENVID='],
  AUTH: ['AUTH=<>'],
  REQUIRETLS: ['REQUIRETLS'],
  FUTURERELEASE: ['HOLDFOR=', 'HOLDUNTIL='],
  'MT-PRIORITY': ['MT-PRIORITY='],
  DELIVERBY: ['BY='],
}
const rcptParameters: Readonly<Record<string, readonly string[]>> = {
  DSN: ['NOTIFY=NEVER', 'NOTIFY=SUCCESS,FAILURE,DELAY', 'ORCPT=rfc822;'],
  RRVS: ['RRVS='],
}

/** What the whole line could become, and the part of it that the candidates replace: as readline wants it. */
export function completeLine(line: string, context: CompleteContext): [candidates: string[], part: string] {
  const words = line.split(' ')
  const part = words.at(-1) ?? ''
  const before = words.slice(0, -1).join(' ').toUpperCase()
  const candidates = candidatesFor(before, context).filter((one) =>
    one.toUpperCase().startsWith(part.toUpperCase()),
  )
  return [candidates, part]
}

function candidatesFor(before: string, context: CompleteContext): readonly string[] {
  const { announced, protocol, hostname, dotCommands } = context
  const keywords = announced.map((one) => (one.toUpperCase().split(' ')[0] ?? '').replace(/^AUTH=.*/, 'AUTH'))
  const has = (keyword: string): boolean => keywords.includes(keyword)
  if (before === '')
    return [
      ...(protocol === 'lmtp' ? ['LHLO '] : ['EHLO ', 'HELO ']),
      'MAIL FROM:<',
      'RCPT TO:<',
      'DATA',
      ...(has('CHUNKING') ? ['BDAT '] : []),
      ...(has('STARTTLS') ? ['STARTTLS'] : []),
      ...(has('AUTH') ? ['AUTH '] : []),
      ...['RSET', 'NOOP', 'QUIT', 'HELP', 'VRFY ', 'EXPN '],
      ...['ETRN', 'XCLIENT', 'XFORWARD'].filter(has).map((one) => `${one} `),
      ...dotCommands.map((one) => `.${one}`),
    ]
  switch (before) {
    case 'EHLO':
    case 'HELO':
    case 'LHLO':
      return [hostname]
    case 'MAIL':
      return ['FROM:<']
    case 'RCPT':
      return ['TO:<']
    case 'AUTH':
      return mechanisms(announced)
  }
  if (before.startsWith('MAIL FROM:')) return parametersOf(mailParameters, keywords)
  if (before.startsWith('RCPT TO:')) return parametersOf(rcptParameters, keywords)
  if (before.startsWith('BDAT ')) return ['LAST']
  if (before === '.AUTH') return mechanisms(announced)
  return []
}

const mechanisms = (announced: readonly string[]): readonly string[] =>
  announced
    .map((one) => one.replace(/^AUTH=/i, 'AUTH ').split(/ +/))
    .flatMap(([keyword, ...rest]) => (keyword?.toUpperCase() === 'AUTH' ? rest : []))

const parametersOf = (
  table: Readonly<Record<string, readonly string[]>>,
  keywords: readonly string[],
): readonly string[] =>
  keywords.flatMap((keyword) => (Object.hasOwn(table, keyword) ? (table[keyword] ?? []) : []))
