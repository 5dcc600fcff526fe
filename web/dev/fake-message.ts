// Owns timeline and checks of the fake API's messages.

import { checkAuthentication } from '../../src/checks/authentication-checks.ts'
import { checkMessage } from '../../src/checks/message-checks.ts'
import type { ChecksView, TimelineView } from '../../src/http/api-types.ts'
import { parseMessage } from '../../src/message/parse-message.ts'
import type { FakeMessage } from './fake-mail.ts'
import type { FakeQueue } from './fake-queue.ts'

export function timelineOf({ summary, view }: FakeMessage, queue: FakeQueue): TimelineView {
  const at = summary.receivedAt
  const lines: readonly (readonly ['C' | 'S' | '-', string])[] = [
    ['-', 'connected from 127.0.0.1:51412'],
    ['S', '220 posthouse.test ESMTP'],
    ['C', 'EHLO app.test'],
    ['S', '250-posthouse.test\n250-SIZE 52428800\n250-8BITMIME\n250-AUTH PLAIN LOGIN\n250 PIPELINING'],
    ['C', 'AUTH PLAIN ***'],
    ['S', '235 2.7.0 Welcome'],
    ['C', `MAIL FROM:<${summary.reversePath}>`],
    ['S', '250 2.1.0 Sender ok'],
    ...summary.recipients.flatMap(
      (to) =>
        [
          ['C', `RCPT TO:<${to}>`],
          ['S', '250 2.1.5 Recipient ok'],
        ] as const,
    ),
    ['C', 'DATA'],
    ['S', '354 Go ahead'],
    ['C', `(${view.sizeBytes} bytes of message)`],
    ['S', `250 2.0.0 Kept as ${summary.id}`],
    ['C', 'QUIT'],
    ['S', '221 2.0.0 Bye'],
  ]
  const own = queue.deliveries.filter(({ messageId }) => messageId === summary.id)
  const waiting = own.length > 0 ? own : summary.tags.includes('orders') ? queue.deliveries.slice(0, 1) : []
  return {
    id: summary.id,
    receivedAt: at,
    origin: {
      via: 'smtp',
      listener: 'mx',
      peerAddress: '127.0.0.1',
      hello: 'app.test',
      identity: summary.mailbox,
      sessionId: 's1',
    },
    deliveries: waiting,
    events: [
      {
        at,
        kind: 'accepted',
        text: `Accepted from ${summary.reversePath} for ${summary.recipientCount} recipient.`,
        data: { recipients: summary.recipients, recipientCount: summary.recipientCount },
      },
      ...(view.verdicts ?? []).map(({ check, name, result, reason }) => ({
        at: at + 8,
        kind: 'check',
        text: `Checked: ${check}: ${result}.`,
        data: { check, result, ...(name !== undefined && { name }), ...(reason !== undefined && { reason }) },
      })),
      ...(own.length > 0
        ? []
        : waiting.length > 0
          ? [
              {
                at: at + 1100,
                kind: 'attempt',
                text: 'Attempt.',
                data: {
                  attempt: 1,
                  destination: 'slow.example',
                  ms: 412,
                  hosts: [
                    {
                      name: 'mx1.slow.example',
                      address: '192.0.2.4',
                      port: 25,
                      tls: 'TLSv1.3 TLS_AES_256_GCM_SHA384 verified',
                      policy: 'MTA-STS enforce, id 20260101',
                    },
                  ],
                  notes: ['signed for shop.test by s20261118 (RSA 2048)'],
                  told: [
                    { code: 'signed', data: { domain: 'shop.test', selectors: 's20261118 (RSA 2048)' } },
                  ],
                },
              },
              {
                at: at + 1200,
                kind: 'deferred',
                seq: 0,
                text: 'mx1.slow.example (192.0.2.4) asked us to come back later.',
                data: {
                  code: 451,
                  status: '4.7.1',
                  reply: '451 4.7.1 Greylisted, please try again in five minutes',
                  transcript: [
                    'S: 220 mx1.slow.example',
                    'C: EHLO posthouse.test',
                    'S: 250 mx1.slow.example',
                    'C: MAIL FROM:<orders@shop.test>',
                    'S: 250 ok',
                    'C: RCPT TO:<ann@slow.example>',
                    'S: 451 4.7.1 Greylisted, please try again in five minutes',
                  ],
                },
              },
            ]
          : [
              {
                at: at + 12,
                kind: 'captured',
                seq: 0,
                text: `Kept in ${summary.mailbox}: nothing leaves this machine.`,
                data: {},
              },
            ]),
    ],
    conversation: lines.map(([from, line], i) => ({ at: at + i * 3, from, line })),
  }
}

export function checksOf({ view, raw }: FakeMessage): ChecksView {
  const bytes = Buffer.from(raw)
  const judged = checkAuthentication(view.verdicts ?? [])
  const others = checkMessage(parseMessage(bytes), bytes).checks
  return {
    checks: [...judged, ...others.filter(({ id }) => !judged.some((one) => one.id === id))],
    ...(view.hasHtml && {
      htmlSupport: {
        score: 87.4,
        dataDate: '2026-10-02',
        features: [
          {
            slug: 'css-at-media-prefers-color-scheme',
            title: '@media (prefers-color-scheme)',
            url: 'https://www.caniemail.com/features/css-at-media-prefers-color-scheme/',
            supported: 41,
            partial: 12,
            unsupported: 47,
            clients: [
              { family: 'Gmail', platform: 'desktop-webmail', support: 'n' },
              { family: 'Gmail', platform: 'android', support: 'n' },
              { family: 'Outlook', platform: 'windows', support: 'n' },
              { family: 'Outlook', platform: 'macos', support: 'a', note: 'Only with a class on the body.' },
              { family: 'Apple Mail', platform: 'macos', support: 'y' },
              { family: 'Apple Mail', platform: 'ios', support: 'y' },
            ],
            lines: [2],
          },
          {
            slug: 'css-border-radius',
            title: 'border-radius',
            url: 'https://www.caniemail.com/features/css-border-radius/',
            supported: 86,
            partial: 4,
            unsupported: 10,
            clients: [{ family: 'Outlook', platform: 'windows', support: 'n' }],
            lines: [5, 9],
          },
          {
            slug: 'html-table',
            title: '<table> element',
            url: 'https://www.caniemail.com/features/html-table/',
            supported: 100,
            partial: 0,
            unsupported: 0,
            clients: [],
            lines: [4],
          },
        ],
      },
    }),
  }
}
