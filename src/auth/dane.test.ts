// DANE: the table of RFC 7672 section 3.1 on certificates that are made here with openssl.

import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { createHash, X509Certificate } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import type { TlsaRecord } from '../dns/resolver.ts'
import { type DaneInput, isUsableTlsa, matchDane, tlsaRecordFor } from './dane.ts'

const skip = spawnSync('openssl', ['version']).status === 0 ? false : 'openssl is not installed'

describe('dane', { skip }, () => {
  const work = mkdtempSync(join(tmpdir(), 'posthouse-dane-'))
  after(() => rmSync(work, { recursive: true, force: true }))
  const der: Record<string, Buffer> = {}
  /** The certificates are made after it. */
  const nowMs = Date.now() + 3_600_000

  before(() => {
    const openssl = (...args: string[]): void =>
      void execFileSync('openssl', args, { cwd: work, stdio: 'pipe' })
    const key = (name: string): void =>
      openssl('ecparam', '-genkey', '-name', 'prime256v1', '-noout', '-out', `${name}.key`)
    const root = (name: string): void => {
      key(name)
      openssl(
        'req',
        '-x509',
        '-new',
        '-key',
        `${name}.key`,
        '-subj',
        `/CN=${name}`,
        '-days',
        '30',
        '-out',
        `${name}.pem`,
      )
    }
    const issue = (name: string, by: string, extensions: string): void => {
      key(name)
      writeFileSync(join(work, `${name}.ext`), extensions)
      openssl('req', '-new', '-key', `${name}.key`, '-subj', `/CN=${name}`, '-out', `${name}.csr`)
      openssl(
        'x509',
        '-req',
        '-in',
        `${name}.csr`,
        '-CA',
        `${by}.pem`,
        '-CAkey',
        `${by}.key`,
        '-CAcreateserial',
        '-days',
        '20',
        '-extfile',
        `${name}.ext`,
        '-out',
        `${name}.pem`,
      )
    }
    root('root')
    root('other')
    issue('middle', 'root', 'basicConstraints=CA:TRUE\n')
    issue('leaf', 'middle', 'subjectAltName=DNS:mx.sink.test\n')
    issue('forged', 'leaf', 'subjectAltName=DNS:mx.sink.test\n')
    for (const name of ['root', 'other', 'middle', 'leaf', 'forged'])
      der[name] = new X509Certificate(readFileSync(join(work, `${name}.pem`))).raw
  })

  const record = (usage: number, selector: number, matchingType: number, name: string): TlsaRecord => {
    const certificate = new X509Certificate(der[name] as Buffer)
    const octets =
      selector === 1 ? certificate.publicKey.export({ format: 'der', type: 'spki' }) : certificate.raw
    const data =
      matchingType === 0
        ? octets
        : createHash(matchingType === 2 ? 'sha512' : 'sha256')
            .update(octets)
            .digest()
    return { usage, selector, matchingType, data }
  }
  const judge = (
    records: readonly TlsaRecord[],
    more: Partial<Omit<DaneInput, 'chain'>> & { readonly chain?: string } = {},
  ) =>
    matchDane({
      records,
      names: ['mx.sink.test'],
      nowMs,
      ...more,
      chain: (more.chain ?? 'leaf middle root')
        .split(' ')
        .filter(Boolean)
        .map((name) => der[name] as Buffer),
    })

  test('dane: usage 3 is the certificate itself, by both selectors and all types', () => {
    for (const selector of [0, 1])
      for (const type of [0, 1, 2]) {
        assert.equal(judge([record(3, selector, type, 'leaf')]).result, 'match', `3 ${selector} ${type}`)
        assert.equal(judge([record(3, selector, type, 'middle')]).result, 'mismatch', `3 ${selector} ${type}`)
      }
  })

  test('dane: usage 3 asks for neither name, nor date, nor chain', () => {
    assert.equal(judge([record(3, 1, 1, 'leaf')], { names: [], nowMs: 0, chain: 'leaf' }).result, 'match')
  })

  test('dane: usage 2 is a certificate of the chain, and the rest must be right', () => {
    for (const selector of [0, 1])
      for (const type of [0, 1, 2])
        for (const anchor of ['middle', 'root'])
          assert.equal(
            judge([record(2, selector, type, anchor)]).result,
            'match',
            `2 ${selector} ${type} ${anchor}`,
          )
    const anchor = [record(2, 0, 1, 'root')]
    assert.equal(judge(anchor, { chain: 'leaf root middle' }).result, 'match')
    const table: readonly (readonly [Parameters<typeof judge>[1], RegExp])[] = [
      [{ names: ['other.test'] }, /another name/],
      [{ nowMs: nowMs + 40 * 86_400_000 }, /out of date/],
      [{ nowMs: nowMs - 86_400_000 }, /out of date/],
      [{ chain: 'leaf root' }, /does not lead/],
      [{ chain: 'leaf middle' }, /no TLSA record fits/],
      [{ chain: 'forged leaf middle root' }, /does not lead/],
      [{ chain: 'other root' }, /does not lead/],
      [{ chain: '' }, /no certificate/],
    ]
    for (const [more, reason] of table) {
      const verdict = judge(anchor, more)
      assert.equal(verdict.result, 'mismatch')
      assert.match(verdict.result === 'mismatch' ? verdict.reason : '', reason)
    }
  })

  test('dane: one record that fits is enough; the strongest digest counts', () => {
    assert.equal(judge([record(3, 1, 1, 'other'), record(3, 1, 1, 'leaf')]).result, 'match')
    assert.equal(judge([record(2, 0, 1, 'other'), record(3, 1, 1, 'leaf')]).result, 'match')
    // RFC 7671 section 9: SHA-256 does not save what SHA-512 refuses.
    assert.equal(judge([record(3, 1, 2, 'other'), record(3, 1, 1, 'leaf')]).result, 'mismatch')
    assert.equal(judge([record(3, 0, 2, 'other'), record(3, 1, 1, 'leaf')]).result, 'match')
  })

  test('dane: what is no use', () => {
    const good = record(3, 1, 1, 'leaf')
    for (const one of [
      { ...good, usage: 0 },
      { ...good, usage: 1 },
      { ...good, usage: 4 },
      { ...good, selector: 2 },
      { ...good, matchingType: 3 },
      { ...good, matchingType: 2 },
      { ...good, data: good.data.subarray(1) },
      { ...good, matchingType: 0, data: new Uint8Array() },
    ]) {
      assert.equal(isUsableTlsa(one), false)
      assert.equal(judge([one]).result, 'unusable')
      assert.equal(judge([one, good]).result, 'match')
    }
    assert.equal(judge([]).result, 'unusable')
    assert.equal(
      matchDane({ records: [good], chain: [Uint8Array.of(1, 2, 3)], names: [], nowMs }).result,
      'mismatch',
    )
  })

  test('dane: the record for a certificate of ours', () => {
    const own = tlsaRecordFor(der.leaf as Buffer)
    assert.match(own.text, /^3 1 1 [0-9a-f]{64}$/)
    assert.equal(judge([own]).result, 'match')
  })
})
