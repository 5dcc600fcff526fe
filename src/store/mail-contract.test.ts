// Owns the part of the contract suite that is about kept mail, the feed and documents: the words of mail-view.ts as tests.
// Like contract.test.ts it has no store of its own.

import assert from 'node:assert/strict'
import { describe, type TestContext, test } from 'node:test'
import fc from 'fast-check'
import type { Delivery, NewMessage, Placement } from '../queue/types.ts'
import { seededRandom } from '../testing/seeded-random.ts'
import { inlineBytesMax } from './body-file.ts'
import type { OpenedStore } from './contract.test.ts'
import type { MailPageQuery, MailScope, MailSummary, SearchTerm } from './mail-view.ts'
import { newMessage, placementIn, startAt } from './sample.test.ts'
import { parseSearch } from './search-syntax.ts'
import type { Store } from './store.ts'

interface Kept {
  readonly account?: string
  readonly mailbox?: string
  readonly at?: number
  readonly recipients?: readonly string[]
  readonly reversePath?: string
  readonly text?: string
}

const eml = (fields: Readonly<Record<string, string>>, body = 'hello'): string =>
  `${Object.entries(fields)
    .map(([name, value]) => `${name}: ${value}\r\n`)
    .join('')}\r\n${body}\r\n`

const place = (kept: Kept, recipient: string): Placement => ({
  ...placementIn(kept.account ?? 'capture', kept.at ?? startAt),
  mailbox: kept.mailbox ?? 'INBOX',
  prefix: `Return-Path: <${kept.reversePath ?? 's@source.example'}>\r\nDelivered-To: ${recipient}\r\n`,
})

/** A message as the catcher takes it: one transaction, any number of recipients. */
function keptMessage(kept: Kept): NewMessage {
  const recipients = kept.recipients ?? ['someone@example.test']
  const sample = newMessage({
    at: kept.at ?? startAt,
    recipients,
    body: kept.text ?? eml({ Subject: 'sample' }),
  })
  return {
    ...sample,
    message: { ...sample.message, reversePath: kept.reversePath ?? 's@source.example' },
    deliveries: [],
    settled: sample.deliveries.map((delivery: Delivery) => ({
      delivery,
      placement: place(kept, delivery.recipient),
    })),
  }
}

async function keep(store: Store, kept: Kept = {}): Promise<string> {
  const message = keptMessage(kept)
  await store.accept(message)
  return message.message.id
}

async function pages(store: Store, query: MailPageQuery): Promise<readonly MailSummary[]> {
  const items: MailSummary[] = []
  let cursor: string | undefined
  do {
    const page = await store.mailPage({ ...query, ...(cursor !== undefined && { cursor }) })
    assert.ok(page.items.length <= query.limit)
    items.push(...page.items)
    cursor = page.cursor
  } while (cursor !== undefined)
  return items
}

const idsIn = (items: readonly { readonly id: string }[]): readonly string[] => items.map(({ id }) => id)

const searching = (text: string): readonly SearchTerm[] => parseSearch(text, startAt).terms

const found = async (store: Store, text: string, scope: MailScope = {}): Promise<readonly string[]> =>
  idsIn((await store.mailPage({ ...scope, search: searching(text), limit: 100 })).items)

const multipart = [
  'From: =?utf-8?q?Zo=C3=AB?= <zoe+news@example.test>',
  'To: Bob <bob@example.test>',
  'Cc: Carol <carol@copy.test>',
  'Subject: Quarterly =?utf-8?b?5Lya6K6u?= report',
  'Message-ID: <abc.123@mail.example.test>',
  'MIME-Version: 1.0',
  'Content-Type: multipart/mixed; boundary=b',
  '',
  '--b',
  'Content-Type: text/plain; charset=utf-8',
  'Content-Transfer-Encoding: base64',
  '',
  Buffer.from('Grüße aus Zürich. 我们明天在北京开会讨论。 The quick brown fox.').toString('base64'),
  '--b',
  'Content-Type: application/pdf; name="annual report.pdf"',
  'Content-Disposition: attachment; filename="annual report.pdf"',
  'Content-Transfer-Encoding: base64',
  '',
  'JVBERi0=',
  '--b--',
  '',
].join('\r\n')

/** `only`: titles of the tests to run, where opening a store is slow and another suite runs them all. */
export function mailContract(
  name: string,
  open: (t: TestContext) => Promise<OpenedStore>,
  only: RegExp = /./,
): void {
  const it = (title: string, run: (opened: OpenedStore) => Promise<void>): void => {
    if (only.test(title)) test(title, async (t) => run(await open(t)))
  }

  describe(`${name}: kept mail`, () => {
    it('a message is one row with all it has', async ({ store }) => {
      const id = await keep(store, {
        text: multipart,
        recipients: ['bob@example.test', 'bob+2@example.test'],
        reversePath: 'bounce@example.test',
      })
      await store.mailPage({ limit: 1, search: searching('fox') })
      const { items } = await store.mailPage({ limit: 10 })
      const prefix = 'Return-Path: <bounce@example.test>\r\nDelivered-To: bob@example.test\r\n'
      const summary: MailSummary = {
        id,
        account: 'capture',
        mailbox: 'INBOX',
        receivedAt: startAt,
        sizeBytes: prefix.length + multipart.length,
        reversePath: 'bounce@example.test',
        recipients: ['bob@example.test', 'bob+2@example.test'],
        recipientCount: 2,
        from: 'Zoë <zoe+news@example.test>',
        to: 'Bob <bob@example.test>',
        subject: 'Quarterly 会议 report',
        snippet: 'Grüße aus Zürich. 我们明天在北京开会讨论。 The quick brown fox.',
        attachmentCount: 1,
        unread: true,
        starred: false,
        tags: [],
      }
      assert.deepEqual(items, [summary])
      assert.deepEqual(await store.mailSummary(id), summary)
      const read = await store.mailRead(id)
      assert.deepEqual(read?.summary, summary)
      assert.equal(read.prefix, prefix)
      assert.equal(Buffer.from(read.body.bytes() ?? []).toString(), multipart)
    })

    it('many recipients are counted, the first of them kept', async ({ store }) => {
      const recipients = Array.from({ length: 200 }, (_, i) => `r${i}@example.test`)
      await keep(store, { recipients })
      const [item] = (await store.mailPage({ limit: 10 })).items
      assert.equal(item?.recipientCount, 200)
      assert.deepEqual(item.recipients, recipients.slice(0, 20))
      assert.equal((await store.mailCounts({})).total, 1)
    })

    it('recipients that are placed by a settle join the row that is there', async ({ store }) => {
      const message = newMessage({ recipients: ['a@example.test', 'b@example.test', 'c@example.test'] })
      const { id } = message.message
      await store.accept(message)
      for (const [seq, mailbox] of ['INBOX', 'INBOX', 'other'].entries()) {
        const placement = { ...placementIn('a@example.test'), mailbox }
        await store.settle({
          changes: [{ messageId: id, seq, to: { kind: 'remove', placement } }],
          newMessages: [],
          events: [],
        })
        await found(store, 'to:a')
      }
      const items = await pages(store, { limit: 10 })
      assert.deepEqual(
        items.map(({ mailbox, recipients, recipientCount }) => [mailbox, recipients, recipientCount]),
        [
          ['other', ['c@example.test'], 1],
          ['INBOX', ['a@example.test', 'b@example.test'], 2],
        ],
      )
      assert.deepEqual(await found(store, 'to:b@example.test'), [id], 'the later one is found too')
      assert.deepEqual(await found(store, 'to:a@example.test', { mailbox: 'other' }), [])
    })

    it('tags that come with a message are those of its rows, placed at once or by a settle', async ({
      store,
    }) => {
      const tags = ['green', 'blue', 'blue']
      store.feedKinds(['*'])
      const now = keptMessage({})
      await store.accept({ ...now, message: { ...now.message, tags } })
      const later = newMessage()
      await store.accept({ ...later, message: { ...later.message, tags } })
      const changes = [
        { messageId: later.message.id, seq: 0, to: { kind: 'remove', placement: placementIn('a@b.test') } },
      ] as const
      await store.settle({ changes, newMessages: [], events: [] })
      for (const id of [now.message.id, later.message.id])
        assert.deepEqual((await store.mailSummary(id))?.tags, ['blue', 'green'])
      assert.equal((await found(store, 'tag:blue')).length, 2)
      assert.deepEqual(await store.mailTags({}), [
        { tag: 'blue', count: 2 },
        { tag: 'green', count: 2 },
      ])
      const added = (await store.feedRead(0, 100)).filter(({ data }) => 'mail' in data)
      for (const { data } of added) assert.deepEqual((data.mail as MailSummary).tags, ['blue', 'green'])
      assert.equal(added.length, 2)
    })

    it('pages are in the order of receipt, whatever their size, both ways round', async ({ store }) => {
      const random = seededRandom(11)
      const rows: { readonly id: string; readonly at: number; readonly n: number; readonly box: string }[] =
        []
      for (let n = 0; n < 60; n++) {
        const at = startAt + Math.floor(random.fraction() * 8) * 60_000
        const box = `box${n % 3}`
        rows.push({ id: await keep(store, { at, mailbox: box }), at, n, box })
      }
      rows.sort((one, other) => one.at - other.at || one.n - other.n)
      for (const box of [undefined, 'box1'])
        for (const limit of [1, 7, 60, 1000])
          for (const order of ['oldest', 'newest'] as const) {
            const expected = rows.filter((row) => box === undefined || row.box === box).map(({ id }) => id)
            if (order === 'newest') expected.reverse()
            const scope = { limit, order, ...(box !== undefined && { mailbox: box }) }
            assert.deepEqual(idsIn(await pages(store, scope)), expected)
          }
    })

    it('no row comes twice and none is missed while mail comes and goes', async ({ store }) => {
      let at = startAt
      const old: string[] = []
      for (let n = 0; n < 40; n++) old.push(await keep(store, { at: at++ }))
      const seen: string[] = []
      let cursor: string | undefined
      do {
        const page = await store.mailPage({ limit: 7, ...(cursor !== undefined && { cursor }) })
        seen.push(...idsIn(page.items))
        await keep(store, { at: at++ })
        const last = page.items.at(-1)
        // The very row that the cursor is of may go.
        if (last !== undefined) await store.mailRemove({ ids: [last.id] })
        cursor = page.cursor
      } while (cursor !== undefined)
      assert.deepEqual(seen, [...old].reverse())
    })

    it('a cursor that is none is refused', async ({ store }) => {
      for (const cursor of ['', 'x', '-', '1;2', '99999999999999999999'])
        await assert.rejects(store.mailPage({ limit: 1, cursor }), { name: 'StoreFailure' })
    })

    it('counts follow all that is done', async ({ store }) => {
      const sizes = async (scope: MailScope): Promise<readonly number[]> => {
        const { total, unread, sizeBytes } = await store.mailCounts(scope)
        const items = await pages(store, { ...scope, limit: 100 })
        assert.equal(total, items.length)
        assert.equal(unread, items.filter((item) => item.unread).length)
        assert.equal(
          sizeBytes,
          items.reduce((sum, item) => sum + item.sizeBytes, 0),
        )
        return [total, unread]
      }
      const ids: string[] = []
      for (let n = 0; n < 10; n++)
        ids.push(
          await keep(store, {
            account: n < 6 ? 'a@x.test' : 'b@x.test',
            mailbox: n % 2 === 0 ? 'INBOX' : 'Work',
          }),
        )
      await store.mailChange({ ids: ids.slice(0, 3) }, { unread: false, starred: true })
      await store.mailRemove({ ids: [ids[0] ?? '', ids[9] ?? ''] })
      assert.deepEqual(await sizes({}), [8, 6])
      assert.deepEqual(await sizes({ account: 'a@x.test' }), [5, 3])
      assert.deepEqual(await sizes({ account: 'a@x.test', mailbox: 'Work' }), [3, 2])
      assert.deepEqual(await sizes({ search: searching('is:starred') }), [2, 0])
      assert.deepEqual(await sizes({ account: 'nobody@x.test' }), [0, 0])
      assert.deepEqual(
        (await store.mailboxes()).map(({ account, mailbox, total, unread }) => [
          account,
          mailbox,
          total,
          unread,
        ]),
        [
          ['a@x.test', 'INBOX', 2, 1],
          ['a@x.test', 'Work', 3, 2],
          ['b@x.test', 'INBOX', 2, 2],
          ['b@x.test', 'Work', 1, 1],
        ],
      )
      assert.equal((await store.mailboxes('b@x.test')).length, 2)
    })

    it('flags and tags: changed once, counted once, oldest first and at most so many', async ({ store }) => {
      const ids: string[] = []
      for (let n = 0; n < 5; n++) ids.push(await keep(store, { at: startAt + n }))
      assert.deepEqual(await store.mailChange({ all: true }, { unread: false }, 2), { count: 2, more: true })
      assert.deepEqual(await found(store, 'is:read'), [ids[1], ids[0]])
      assert.deepEqual(await store.mailChange({ all: true }, { unread: false }, 3), { count: 3, more: false })
      assert.deepEqual(await store.mailChange({ all: true }, { unread: false }), { count: 0, more: false })
      const [one = '', two = ''] = ids
      const tag = { addTags: ['work', 'ärger'], removeTags: ['gone'] }
      assert.deepEqual(await store.mailChange({ ids: [one, two, 'nothing'] }, tag), { count: 2, more: false })
      assert.deepEqual(await store.mailChange({ ids: [one] }, { removeTags: ['work'] }), {
        count: 1,
        more: false,
      })
      assert.deepEqual((await store.mailSummary(one))?.tags, ['ärger'])
      assert.deepEqual((await store.mailSummary(two))?.tags, ['work', 'ärger'])
      assert.deepEqual(await store.mailTags({}), [
        { tag: 'ärger', count: 2 },
        { tag: 'work', count: 1 },
      ])
      assert.deepEqual(await store.mailTags({ search: searching('-tag:work') }), [{ tag: 'ärger', count: 1 }])
      assert.deepEqual(await store.mailTags({ account: 'other' }), [])
      assert.deepEqual(await found(store, 'tag:work'), [two])
      assert.deepEqual(await found(store, 'has:tag -tag:work'), [one])
      await store.mailRemove({ ids: [two] })
      assert.deepEqual(await store.mailTags({}), [{ tag: 'ärger', count: 1 }])
    })

    it('tags are bounded, and one that is none is refused', async ({ store }) => {
      const id = await keep(store)
      const many = Array.from({ length: 50 }, (_, i) => `t${String(i).padStart(2, '0')}`)
      await store.mailChange({ ids: [id] }, { addTags: many })
      await store.mailChange({ all: true }, { addTags: ['z', 'a'] })
      assert.deepEqual((await store.mailSummary(id))?.tags, ['a', ...many.slice(0, 49)])
      for (const tag of ['', ' x', 'x\n', 'x'.repeat(65)])
        await assert.rejects(store.mailChange({ ids: [id] }, { addTags: [tag] }), { name: 'StoreFailure' })
    })

    it('removal takes bodies without another reference, in the scope alone', async ({ store }) => {
      const both = newMessage({ placed: ['a@x.test', 'b@x.test'] })
      await store.accept(both)
      const { id } = both.message
      assert.deepEqual(await store.mailRemove({ ids: [id], account: 'a@x.test' }), { count: 1, more: false })
      assert.equal((await store.openBody(id)).sizeBytes, both.body.sizeBytes)
      assert.equal(await store.mailSummary(id, { account: 'a@x.test' }), undefined)
      assert.equal((await store.mailSummary(id))?.account, 'b@x.test')
      assert.deepEqual(await store.mailRemove({ all: true, search: searching('subject:sample') }, 1), {
        count: 1,
        more: false,
      })
      await assert.rejects(store.openBody(id), { code: 'corrupt' })
      assert.equal(await store.mailRead(id), undefined)
    })

    it('trim takes the oldest until all bounds hold', async ({ store }) => {
      for (let n = 0; n < 20; n++) await keep(store, { at: startAt + n, mailbox: `m${n % 3}` })
      await keep(store, { at: startAt - 5, account: 'a@x.test' })
      const left = async (): Promise<readonly number[]> =>
        (await pages(store, { account: 'capture', limit: 100, order: 'oldest' })).map(
          ({ receivedAt }) => receivedAt - startAt,
        )
      assert.equal(await store.mailTrim('capture', { before: startAt, messagesMax: 20 }, 100), 0)
      assert.equal(await store.mailTrim('capture', { before: startAt + 3 }, 2), 2)
      assert.equal(await store.mailTrim('capture', { before: startAt + 3 }, 100), 1)
      assert.equal(await store.mailTrim('capture', { messagesMax: 10 }, 100), 7)
      assert.deepEqual(await left(), [10, 11, 12, 13, 14, 15, 16, 17, 18, 19])
      const { sizeBytes } = await store.mailCounts({ account: 'capture' })
      assert.equal(await store.mailTrim('capture', { bytesMax: sizeBytes - 1 }, 100), 1)
      assert.equal(await store.mailTrim('capture', { bytesMax: 0 }, 100), 9)
      assert.equal((await store.mailCounts({})).total, 1, 'the other account has what it had')
    })

    it('an account leaves nothing behind', async ({ store }) => {
      for (let n = 0; n < 30; n++) await keep(store, { account: 'a@x.test', mailbox: `m${n % 3}` })
      const other = await keep(store, { account: 'b@x.test' })
      await store.mailChange({ all: true }, { addTags: ['x'] })
      assert.equal(await store.mailboxRemove('a@x.test'), 30)
      assert.equal(await store.mailboxRemove('a@x.test'), 0)
      assert.deepEqual(
        (await store.mailboxes()).map(({ account }) => account),
        ['b@x.test'],
      )
      assert.deepEqual(await store.mailTags({}), [{ tag: 'x', count: 1 }])
      const again = await keep(store, { account: 'a@x.test', mailbox: 'm1' })
      assert.deepEqual(await found(store, 'sample'), [again, other])
    })
  })

  describe(`${name}: search`, () => {
    it('finds by every field, in every script', async ({ store }) => {
      const id = await keep(store, {
        text: multipart,
        recipients: ['bob@example.test', 'hidden@blind.test'],
        reversePath: 'bounce@mailer.test',
      })
      await keep(store, { text: eml({ Subject: 'other', From: 'x@y.test' }, 'nothing of it') })
      const hits = [
        'fox',
        '"quick brown fox"',
        'qui*',
        'zurich',
        'GRÜSSE',
        '北京',
        '京',
        '明天在北京开会',
        'subject:会议',
        'subject:quarterly',
        'from:zoe',
        'from:Zoë',
        'from:zoe+news@example.test',
        'from:@example.test',
        'from:bounce@mailer.test',
        'to:bob',
        'to:hidden@blind.test',
        'cc:carol',
        'to:carol@copy.test',
        'filename:annual',
        'filename:"annual report.pdf"',
        'body:zurich',
        'has:attachment',
        'id:abc.123@mail.example.test',
        'id:<abc.123@mail.example.test>',
        `id:${id}`,
        'fox OR nonsense',
        'fox -nonsense',
        '-nothing',
        '-subject:other',
        'subject:report has:attachment to:bob -is:read before:2d OR larger:100',
      ]
      for (const text of hits) assert.deepEqual(await found(store, text), [id], text)
      const misses = [
        'foxes',
        '"brown quick"',
        '京北',
        'subject:fox',
        'from:bob',
        'zoe@example.test',
        'fox nonsense',
        '-fox id:abc.123@mail.example.test',
        'from:@ample.test',
        'has:attachment is:starred',
        'cc:bob',
      ]
      for (const text of misses) assert.deepEqual(await found(store, text), [], text)
      assert.equal((await store.mailSummary(id, { search: searching('fox') }))?.id, id)
      assert.equal(await store.mailSummary(id, { search: searching('-fox') }), undefined)
      assert.equal((await store.mailCounts({ search: searching('fox OR nothing') })).total, 2)
    })

    it('a search of no words holds for all, of too many terms is refused', async ({ store }) => {
      const id = await keep(store)
      const empty: SearchTerm = { kind: 'text', field: 'any', text: '!?', prefix: false }
      const ids = async (search: readonly SearchTerm[]): Promise<readonly string[]> =>
        idsIn((await store.mailPage({ search, limit: 10 })).items)
      assert.deepEqual(await ids([empty]), [id])
      assert.deepEqual(await ids([{ kind: 'not', term: empty }]), [])
      assert.deepEqual(await ids([{ kind: 'or', terms: [] }]), [])
      assert.deepEqual(await ids([{ kind: 'or', terms: [{ kind: 'tag', tag: 'x' }, empty] }]), [id])
      const deep = Array.from({ length: 100 }).reduce<SearchTerm>(
        (term) => ({ kind: 'or', terms: [term] }),
        empty,
      )
      for (const search of [Array.from({ length: 500 }, () => empty), [deep]])
        await assert.rejects(ids(search), { name: 'StoreFailure' })
    })

    it('a message that is broken, huge or empty is found by what can be read of it', async ({ store }) => {
      const broken = await keep(store, {
        text: 'Subject: broken\r\nContent-Type: multipart/mixed; boundary=\r\n\r\n--\r\n\ufffd',
      })
      const empty = await keep(store, { text: '', reversePath: 'void@nothing.test' })
      const none = await keep(store, { text: 'no header at all' })
      const sample = newMessage()
      const writer = store.bodyWriter(sample.message.id)
      await writer.write(
        Buffer.from(eml({ Subject: 'huge one' }, `needle\r\n${'x '.repeat(inlineBytesMax)}`)),
      )
      await store.accept({
        ...sample,
        deliveries: [],
        settled: sample.deliveries.map((delivery) => ({ delivery, placement: placementIn('capture') })),
        body: await writer.finish(),
      })
      assert.deepEqual(await found(store, 'subject:broken'), [broken])
      assert.deepEqual(await found(store, 'from:void@nothing.test'), [empty])
      assert.deepEqual(await found(store, 'needle subject:huge'), [sample.message.id])
      assert.equal((await found(store, 'is:unread')).length, 4)
      assert.ok((await store.mailSummary(none)) !== undefined)
    })

    it('what was committed is found, however much comes at once', async ({ store }) => {
      await Promise.all(
        Array.from({ length: 300 }, (_, i) => keep(store, { text: eml({ Subject: `no ${i}` }, `w${i}`) })),
      )
      for (const i of [0, 150, 299]) assert.equal((await found(store, `w${i}`)).length, 1)
      assert.equal((await store.mailCounts({ search: searching('subject:no') })).total, 300)
      await store.mailRemove({ all: true, search: searching('w7 OR w8') })
      assert.equal((await store.mailCounts({ search: searching('subject:no') })).total, 298)
      assert.deepEqual(await found(store, 'w7'), [])
    })
  })

  describe(`${name}: counting what a search finds`, () => {
    it('is exact up to the bound; beyond, it is of the newest, and says that there are more', async ({
      store,
    }) => {
      const texts: string[] = []
      for (let i = 0; i < 9; i++) {
        const text = eml({ Subject: i % 2 === 0 ? `even ${i}` : `odd ${i}` }, 'x'.repeat(i))
        texts.push(text)
        await keep(store, { text })
      }
      const search = searching('even')
      const exact = await store.mailCounts({ search }, 5)
      assert.equal(exact.total, 5)
      assert.ok(!('isAtLeast' in exact))
      const { items } = await store.mailPage({ search, limit: 3 })
      const sizeBytes = items.reduce((sum, item) => sum + item.sizeBytes, 0)
      assert.deepEqual(await store.mailCounts({ search }, 3), {
        total: 3,
        unread: 3,
        sizeBytes,
        isAtLeast: true,
      })
      assert.equal((await store.mailCounts({ search: searching('-even') }, 3)).isAtLeast, true)
      assert.deepEqual(await store.mailCounts({ search: searching('nothing') }, 3), {
        total: 0,
        unread: 0,
        sizeBytes: 0,
      })
      assert.equal((await store.mailCounts({}, 3)).total, 9, 'what is not searched for is counted already')
    })
  })

  describe(`${name}: feed`, () => {
    it('tells nothing until it is asked to, and then in the order of the commits', async ({
      store,
      reopen,
    }) => {
      assert.equal(await store.feedHead(), 0)
      await keep(store)
      assert.deepEqual(await store.feedRead(0, 10), [])
      store.feedKinds(['*'])
      let told = 0
      const stop = store.onFeed(() => told++)
      const id = await keep(store, { recipients: ['a@x.test', 'b@x.test'] })
      const local = await keep(store, { account: 'a@x.test' })
      await store.mailChange({ ids: [id] }, { unread: false, addTags: ['x'] })
      await store.mailChange({ ids: [id] }, { unread: false })
      await store.mailRemove({ all: true })
      const entries = await store.feedRead(0, 100)
      assert.deepEqual(
        entries.map(({ kind, messageId }) => [kind, messageId]),
        [
          ['accepted', id],
          ['captured', id],
          ['accepted', local],
          ['mail.added', local],
          ['mail.changed', id],
          ['mail.removed', undefined],
          ['mail.removed', local],
        ],
      )
      assert.ok(entries.every(({ seq }, i) => i === 0 || seq > (entries[i - 1]?.seq ?? 0)))
      assert.deepEqual(entries[0]?.data, { via: 'smtp' })
      assert.deepEqual((entries[1]?.data.mail as MailSummary | undefined)?.recipients, [
        'a@x.test',
        'b@x.test',
      ])
      assert.deepEqual(entries[4]?.data, {
        account: 'capture',
        mailbox: 'INBOX',
        ids: [id],
        change: { unread: false, addTags: ['x'] },
      })
      assert.equal((entries[5]?.data.ids as string[] | undefined)?.length, 2)
      assert.equal(await store.feedHead(), entries.at(-1)?.seq)
      assert.deepEqual(await store.feedRead(entries[4]?.seq ?? 0, 1), [entries[5]])
      assert.ok(told >= 1)
      stop()
      const before = told
      await keep(store)
      await store.feedHead()
      assert.equal(told, before)
      if (reopen === undefined) return
      const again = await reopen()
      const head = await again.feedHead()
      assert.equal((await again.feedRead(0, 100)).length, entries.length + 2)
      await keep(again)
      assert.equal(await again.feedHead(), head, 'nobody asked in this run')
    })

    it('a settle tells its events with their delivery; only kinds that were asked for', async ({ store }) => {
      store.feedKinds(['delivered', 'deferred'])
      const message = newMessage()
      await store.accept(message)
      const { id } = message.message
      await store.settle({
        changes: [{ messageId: id, seq: 0, to: { kind: 'remove', placement: placementIn('capture') } }],
        newMessages: [newMessage()],
        events: [{ messageId: id, seq: 0, at: startAt + 5, kind: 'delivered', data: { how: 'captured' } }],
      })
      const entries = await store.feedRead(0, 10)
      assert.equal(entries.length, 1)
      assert.deepEqual(
        { ...entries[0], seq: 0 },
        {
          seq: 0,
          at: startAt + 5,
          kind: 'delivered',
          messageId: id,
          data: { delivery: `${id}-0`, how: 'captured' },
        },
      )
    })

    it('what fails tells nothing', async ({ store }) => {
      store.feedKinds(['*'])
      const message = keptMessage({})
      await store.accept(message)
      const head = await store.feedHead()
      await assert.rejects(store.accept(message))
      assert.equal(await store.feedHead(), head)
    })

    it('prune takes the oldest, at most so many; numbers are not given again', async ({ store }) => {
      store.feedKinds(['accepted'])
      for (let n = 0; n < 10; n++) {
        const message = newMessage({ at: startAt + n })
        await store.accept(message)
      }
      const all = await store.feedRead(0, 100)
      const seqs = async (): Promise<readonly number[]> =>
        (await store.feedRead(0, 100)).map(({ seq }) => seq)
      assert.equal(await store.feedPrune({ before: startAt + 3, max: 2 }), 2)
      assert.equal(await store.feedPrune({ before: startAt + 3, max: 100 }), 1)
      assert.equal(await store.feedPrune({ throughSeq: all[4]?.seq ?? 0, max: 100 }), 2)
      assert.deepEqual(
        await seqs(),
        all.slice(5).map(({ seq }) => seq),
      )
      const head = await store.feedHead()
      assert.equal(await store.feedPrune({ throughSeq: head, max: 100 }), 5)
      assert.equal(await store.feedHead(), head)
      await store.accept(newMessage())
      assert.ok((await store.feedHead()) > head)
    })
  })

  describe(`${name}: documents`, () => {
    const put = (key: string, data: unknown, expiresAt?: number) => ({
      kind: 'thing',
      key,
      data,
      updatedAt: startAt,
      ...(expiresAt !== undefined && { expiresAt }),
    })

    it('put, get, list, delete; versions grow', async ({ store, reopen }) => {
      const data = { a: [1, 'ü', null], b: { c: true } }
      const one = await store.documentPut(put('b', data))
      assert.deepEqual(one, { kind: 'thing', key: 'b', data, version: 1, updatedAt: startAt })
      assert.deepEqual(await store.documentGet('thing', 'b'), one)
      assert.equal((await store.documentPut(put('b', 2)))?.version, 2)
      assert.equal(await store.documentGet('other', 'b'), undefined)
      for (const key of ['a', 'c', 'd']) await store.documentPut(put(key, key))
      const keys = async (limit: number, after?: string): Promise<readonly string[]> =>
        (await store.documentList('thing', limit, after)).map(({ key }) => key)
      assert.deepEqual(await keys(10), ['a', 'b', 'c', 'd'])
      assert.deepEqual(await keys(2), ['a', 'b'])
      assert.deepEqual(await keys(2, 'b'), ['c', 'd'])
      assert.equal(await store.documentDelete('thing', 'a'), true)
      assert.equal(await store.documentDelete('thing', 'a'), false)
      assert.deepEqual(await keys(10), ['b', 'c', 'd'])
      if (reopen !== undefined) assert.equal((await (await reopen()).documentGet('thing', 'b'))?.data, 2)
    })

    it('a version that does not hold writes nothing; of many at once one wins', async ({ store }) => {
      assert.equal(await store.documentPut(put('x', 1), 7), undefined)
      assert.equal((await store.documentPut(put('x', 1), 0))?.version, 1)
      assert.equal(await store.documentPut(put('x', 2), 0), undefined)
      const won = await Promise.all(Array.from({ length: 20 }, (_, n) => store.documentPut(put('x', n), 1)))
      assert.equal(won.filter((each) => each !== undefined).length, 1)
      assert.equal((await store.documentGet('thing', 'x'))?.version, 2)
    })

    it('what is expired is gone, and can be put anew', async ({ store }) => {
      await store.documentPut(put('old', 1, startAt - 1))
      await store.documentPut(put('new', 1, startAt + 1000))
      assert.equal(await store.documentGet('thing', 'old'), undefined)
      assert.equal(await store.documentDelete('thing', 'old'), false)
      await store.documentPut(put('old', 1, startAt - 1))
      assert.deepEqual(
        (await store.documentList('thing', 10)).map(({ key }) => key),
        ['new'],
      )
      assert.equal((await store.documentPut(put('old', 2, startAt - 1), 0))?.version, 1)
      assert.equal(await store.documentPrune(startAt, 10), 1)
      assert.equal(await store.documentPrune(startAt + 1000, 10), 1)
      assert.deepEqual(await store.documentList('thing', 10), [])
    })

    it('a document that is too large or no JSON is refused', async ({ store }) => {
      for (const data of ['x'.repeat(256 * 1024), undefined])
        await assert.rejects(store.documentPut(put('x', data)), { name: 'StoreFailure' })
      await store.documentPut(put('x', 'x'.repeat(256 * 1024 - 2)))
    })
  })
}

// ---- two engines, one meaning

const words = [
  'fox',
  'foxes',
  'Zürich',
  'zurich',
  '会议',
  '明天北京',
  '京',
  'ハロー',
  '회의실',
  'ann',
  'a1',
  'x-y',
  '🎉',
  "don't",
]
const domains = ['example.test', 'bücher.example', 'xn--bcher-kva.example', 'sub.example.test', 'test']
const wordOf = fc.constantFrom(...words)
const phraseIn = fc.array(wordOf, { minLength: 1, maxLength: 4 }).map((list) => list.join(' '))
const addressOf = fc
  .tuple(fc.constantFrom('ann', 'ann+tag', 'bob', 'b.ob', 'zoë'), fc.constantFrom(...domains))
  .map(([local, domain]) => `${local}@${domain}`)

const mailOf = fc.record({
  at: fc.nat(20).map((n) => startAt + n * 1000),
  account: fc.constantFrom('capture', 'a@x.test'),
  mailbox: fc.constantFrom('INBOX', 'Work'),
  recipients: fc.array(addressOf, { minLength: 1, maxLength: 3 }),
  reversePath: fc.oneof(addressOf, fc.constant('')),
  from: fc.tuple(phraseIn, addressOf),
  cc: fc.option(addressOf, { nil: undefined }),
  subject: phraseIn,
  body: fc.array(phraseIn, { maxLength: 5 }).map((list) => list.join('\r\n')),
  attachment: fc.option(wordOf, { nil: undefined }),
})

type RandomMail = typeof mailOf extends fc.Arbitrary<infer T> ? T : never

function emlOf({ from, cc, subject, body, attachment }: RandomMail): string {
  const head = `From: "${from[0]}" <${from[1]}>\r\n${cc === undefined ? '' : `Cc: ${cc}\r\n`}Subject: ${subject}\r\n`
  if (attachment === undefined) return `${head}\r\n${body}\r\n`
  return `${head}Content-Type: multipart/mixed; boundary=q\r\n\r\n--q\r\n\r\n${body}\r\n--q\r\nContent-Disposition: attachment; filename*=utf-8''${encodeURIComponent(`${attachment}.pdf`)}\r\nContent-Type: application/pdf\r\n\r\nx\r\n--q--\r\n`
}

const leafTerm: fc.Arbitrary<SearchTerm> = fc.oneof(
  fc.record({
    kind: fc.constant('text' as const),
    field: fc.constantFrom('any', 'from', 'to', 'cc', 'subject', 'body', 'filename'),
    text: fc.oneof(phraseIn, wordOf, fc.constantFrom('fo', '议', '北', '京', '!', 'example')),
    prefix: fc.boolean(),
  }),
  fc.record({
    kind: fc.constant('address' as const),
    field: fc.constantFrom('from', 'to'),
    text: fc.oneof(
      addressOf,
      fc.constantFrom('ann', 'an', '@example.test', '@exam', 'b', '@', 'bücher', 'ann@'),
    ),
  }),
  fc.record({ kind: fc.constant('tag' as const), tag: fc.constantFrom('t1', 't2') }),
  fc.record({ kind: fc.constant('has' as const), what: fc.constantFrom('attachment', 'tag') }),
  fc.record({ kind: fc.constant('is' as const), what: fc.constantFrom('unread', 'read', 'starred') }),
  fc.tuple(fc.nat(20), fc.nat(20)).map(([from, to]) => ({
    kind: 'received' as const,
    after: startAt + from * 1000,
    before: startAt + to * 1000,
  })),
  fc.nat(400).map((min) => ({ kind: 'size' as const, min })),
)
const termOf: fc.Arbitrary<SearchTerm> = fc.letrec<{ term: SearchTerm }>((tie) => ({
  term: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    leafTerm,
    tie('term').map((term): SearchTerm => ({ kind: 'not', term })),
    fc.array(tie('term'), { maxLength: 3 }).map((terms): SearchTerm => ({ kind: 'or', terms })),
  ),
})).term

/** Random mail, random acts, random questions: every store answers as the first one does. */
export async function agree(open: () => Promise<readonly [Store, Store]>, runs: number): Promise<void> {
  const act = fc.record({
    what: fc.constantFrom('read', 'star', 'tag', 'untag', 'remove'),
    search: fc.array(termOf, { maxLength: 2 }),
    max: fc.nat(5),
  })
  await fc.assert(
    fc.asyncProperty(
      fc.array(mailOf, { minLength: 1, maxLength: 12 }),
      fc.array(act, { maxLength: 4 }),
      fc.array(
        fc.tuple(
          fc.array(termOf, { maxLength: 3 }),
          fc.constantFrom(undefined, 'capture', 'a@x.test'),
          fc.integer({ min: 1, max: 5 }),
        ),
        { minLength: 1, maxLength: 8 },
      ),
      async (mails, acts, questions) => {
        const [one, other] = await open()
        for (const mail of mails) {
          const message = keptMessage({ ...mail, text: emlOf(mail) })
          await Promise.all([one.accept(message), other.accept(message)])
        }
        for (const { what, search, max } of acts) {
          const target = { search, all: true } as const
          const run = (store: Store) => {
            if (what === 'remove') return store.mailRemove(target, max)
            if (what === 'read') return store.mailChange(target, { unread: false }, max)
            if (what === 'star') return store.mailChange(target, { starred: true }, max)
            return store.mailChange(
              target,
              what === 'tag' ? { addTags: ['t1', 't2'] } : { removeTags: ['t1'] },
              max,
            )
          }
          assert.deepEqual(await run(other), await run(one))
        }
        // First words and attachments are there once it is indexed.
        await found(other, 'fox')
        for (const [search, account, limit] of questions) {
          const scope = { search, ...(account !== undefined && { account }) }
          const wanted = await pages(one, { ...scope, limit: 1000 })
          assert.deepEqual(idsIn(await pages(other, { ...scope, limit })), idsIn(wanted))
          assert.deepEqual(await pages(other, { ...scope, limit: 1000 }), wanted)
          assert.deepEqual(await other.mailCounts(scope), await one.mailCounts(scope))
          assert.deepEqual(await other.mailCounts(scope, limit), await one.mailCounts(scope, limit))
          assert.deepEqual(await other.mailTags(scope), await one.mailTags(scope))
        }
        assert.deepEqual(await other.mailboxes(), await one.mailboxes())
        await Promise.all([one.close(), other.close()])
      },
    ),
    { numRuns: runs },
  )
}
