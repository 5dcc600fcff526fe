import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { crc32, deflateRawSync, gzipSync } from 'node:zlib'
import fc from 'fast-check'
import { unpackReport } from './unpack.ts'

const limits = { bytesMax: 4 * 1024 * 1024 }
const xml = Buffer.from('<feedback>a report</feedback>')

interface ZipEntry {
  readonly name: string
  readonly data: Uint8Array
  readonly stored?: boolean
  readonly flags?: number
  /** What the directory says of its size. */
  readonly claimedSize?: number
}

/** APPNOTE.TXT sections 4.3.7, 4.3.12 and 4.3.16. */
function zip(entries: readonly ZipEntry[]): Buffer {
  const files: Buffer[] = []
  const directory: Buffer[] = []
  let offset = 0
  for (const { name, data, stored, flags = 0, claimedSize = data.length } of entries) {
    const packed = stored === true ? Buffer.from(data) : deflateRawSync(data)
    const common = Buffer.alloc(26)
    common.writeUInt16LE(20, 0)
    common.writeUInt16LE(flags, 2)
    common.writeUInt16LE(stored === true ? 0 : 8, 4)
    common.writeUInt32LE(crc32(data), 10)
    common.writeUInt32LE(packed.length, 14)
    common.writeUInt32LE(claimedSize, 18)
    common.writeUInt16LE(Buffer.byteLength(name), 22)
    const file = Buffer.concat([Buffer.from('PK\x03\x04'), common, Buffer.from(name), packed])
    const rest = Buffer.alloc(14)
    rest.writeUInt32LE(offset, 10)
    directory.push(Buffer.concat([Buffer.from('PK\x01\x02\x14\x00'), common, rest, Buffer.from(name)]))
    files.push(file)
    offset += file.length
  }
  const entriesBytes = Buffer.concat(directory)
  const end = Buffer.alloc(22)
  end.write('PK\x05\x06', 'latin1')
  end.writeUInt16LE(entries.length, 8)
  end.writeUInt16LE(entries.length, 10)
  end.writeUInt32LE(entriesBytes.length, 12)
  end.writeUInt32LE(offset, 16)
  return Buffer.concat([...files, entriesBytes, end])
}

const unpacked = async (bytes: Uint8Array): Promise<string> => {
  const got = await unpackReport(bytes, limits)
  return got.ok ? `${got.packing}: ${Buffer.from(got.bytes).toString('latin1').slice(0, 100)}` : got.reason
}

describe('what reports are packed in', () => {
  const plain = xml.toString()
  const zeros = new Uint8Array(64 * 1024 * 1024)
  const cases: readonly (readonly [what: string, bytes: Uint8Array, expected: string])[] = [
    ['bare XML', xml, `plain: ${plain}`],
    ['gzip', gzipSync(xml), `gzip: ${plain}`],
    [
      'gzip in two members',
      Buffer.concat([gzipSync('<feedback>a '), gzipSync('report</feedback>')]),
      `gzip: ${plain}`,
    ],
    ['a zip', zip([{ name: 'a!b!1!2.xml', data: xml }]), `zip: ${plain}`],
    ['a zip, stored', zip([{ name: 'x.xml', data: xml, stored: true }]), `zip: ${plain}`],
    ['gzip in a zip', zip([{ name: 'x.xml.gz', data: gzipSync(xml) }]), `zip: ${plain}`],
    ['a zip in gzip', gzipSync(zip([{ name: 'x.xml', data: xml }])), `gzip: ${plain}`],
    [
      'several entries: the one that is called like a report',
      zip([
        { name: 'folder/', data: new Uint8Array() },
        { name: 'README.txt', data: Buffer.from('hello') },
        { name: 'folder/x.XML', data: xml },
        { name: 'other.xml', data: Buffer.from('<other/>') },
      ]),
      `zip: ${plain}`,
    ],
    ['none is called so', zip([{ name: 'report', data: xml }]), `zip: ${plain}`],
    ['a path out of its folder', zip([{ name: '../../etc/passwd.xml', data: xml }]), 'broken zip'],
    ['an absolute path', zip([{ name: '/etc/passwd.xml', data: xml }]), 'broken zip'],
    ['an encrypted entry', zip([{ name: 'x.xml', data: xml, flags: 1 }]), 'an encrypted zip'],
    ['an empty zip', zip([]), 'an empty zip'],
    [
      'too many entries',
      zip(Array.from({ length: 30 }, (_, i) => ({ name: `${i}.xml`, data: xml }))),
      'a zip with too many entries',
    ],
    [
      'a size that is a lie',
      zip([{ name: 'x.xml', data: zeros.subarray(0, 2_000_000), claimedSize: 10 }]),
      'broken zip',
    ],
    ['a size that is an honest bomb', zip([{ name: 'x.xml', data: zeros }]), 'too long when it is unpacked'],
    ['a gzip bomb', gzipSync(zeros), 'too long when it is unpacked'],
    [
      'a bomb below the limit, by its ratio',
      gzipSync(zeros.subarray(0, 3_000_000)),
      'too long when it is unpacked',
    ],
    ['a bomb within a gzip', gzipSync(gzipSync(zeros)), 'too long when it is unpacked'],
    ['gzip cut off', gzipSync(xml).subarray(0, 20), 'broken gzip'],
    ['a zip cut off', zip([{ name: 'x.xml', data: xml }]).subarray(0, 40), 'broken zip'],
    ['gzip in gzip in gzip', gzipSync(gzipSync(gzipSync(xml))), 'packed too often'],
    ['plain and too long', Buffer.alloc(limits.bytesMax + 1, 32), 'too long'],
    ['nothing', new Uint8Array(), 'plain: '],
  ]
  for (const [what, bytes, expected] of cases)
    it(what, async () => {
      assert.equal(await unpacked(bytes), expected)
    })

  it('any damage gives an answer', async () => {
    const whole = [
      gzipSync(xml),
      zip([
        { name: 'x.xml', data: xml },
        { name: 'y.xml', data: xml },
      ]),
    ]
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...whole),
        fc.nat(400),
        fc.uint8Array({ minLength: 1, maxLength: 4 }),
        async (bytes, at, damage) => {
          const broken = Buffer.from(bytes)
          broken.set(
            damage.subarray(0, Math.max(0, broken.length - (at % broken.length))),
            at % broken.length,
          )
          const got = await unpackReport(broken, limits)
          assert.equal(typeof got.ok, 'boolean')
        },
      ),
      { numRuns: 300 },
    )
  })
})
