// The SMTP server machine under mutated dialogues of all transcripts: it never throws, answers in whole lines, keeps no
// more than a line, hands on canonical bodies only, and gives the same however the bytes are cut.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MachinePlayer, type PlayerOptions } from '../transcripts/player.ts'
import { type Chance, clientDialogues, cut, eachSeed, mutate } from './fuzz.ts'

const dialogues = clientDialogues()
const replyLines = /^(?:[2-5]\d\d[ -][^\r\n]*\r\n)*$/
const lineBytesMax = 8192

const someOptions = (chance: Chance): PlayerOptions => ({
  lmtp: chance.maybe(0.2),
  startTls: chance.maybe(0.3),
  requireTls: chance.maybe(0.05),
  auth: chance.maybe(0.4),
  authWithoutTls: chance.maybe(0.7),
  refuseEarlyBody: chance.maybe(0.3),
  repair: chance.maybe(0.2),
  smtputf8: chance.maybe(0.8),
  ...(chance.maybe(0.3) && {
    limits: { messageBytesMax: 30, recipientsMax: 2, errorsMax: 4, commandsMax: 30, transactionsMax: 3 },
  }),
})

function play(options: PlayerOptions, pieces: readonly Buffer[]) {
  const player = new MachinePlayer(options)
  let output = player.output()
  let outputBytesMax = 0
  for (const piece of pieces) {
    player.feed(piece)
    const said = player.output()
    outputBytesMax = Math.max(outputBytesMax, said.length / (piece.length + 64))
    output += said
    assert.ok(player.machine.bufferedBytes <= lineBytesMax + 4200, 'it keeps about a line')
    assert.ok(!player.machine.asking, 'every question was answered')
  }
  player.end()
  output += player.output()
  assert.ok(player.machine.closed, 'closed when the peer has ended')
  return { player, output, outputBytesMax }
}

test('mutated dialogues: no throw, whole lines out, canonical bodies, bounded memory, the law of splits', () => {
  const count = eachSeed((chance) => {
    const options = someOptions(chance)
    const bytes = mutate(chance.one(dialogues), dialogues, chance)
    const { player, output, outputBytesMax } = play(options, cut(bytes, chance))
    assert.match(output, replyLines)
    // 'EHLO x' is the cheapest to ask and the dearest to answer.
    assert.ok(outputBytesMax < 80, `amplified ${outputBytesMax} times`)
    for (const { body } of player.messages)
      assert.ok(!/\r(?!\n)|(?<!\r)\n/.test(body), `not canonical: ${JSON.stringify(body)}`)
    if (options.startTls || options.refuseEarlyBody) return
    const again = play(options, cut(bytes, chance))
    // The player refuses a body on its first piece: whether that is too large already is a matter of the cut.
    if (/store failed/.test(output + again.output)) return
    assert.equal(again.output, output)
    assert.deepEqual(again.player.messages, player.messages)
    assert.deepEqual(again.player.parameters, player.parameters)
  })
  assert.ok(count > 50, `${count} dialogues`)
})
