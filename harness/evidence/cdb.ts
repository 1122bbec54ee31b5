/** What SCSI command descriptor blocks (SBC-4, SPC-4) do to the bytes of a unit. */

/** Blocks of the unit. */
export interface Transfer {
  does: 'read' | 'write'
  lba: number
  blocks: number
}

export type CdbEffect =
  | Transfer
  /** EXTENDED COPY (LID1) with a parameter list of so many bytes. */
  | { does: 'copy'; listBytes: number }
  | { does: 'unmap' }
  /** Writes without data that would be all of what is written, or more than one range: no copy is made of these. */
  | { does: 'change' }

/** Where LBA and number of blocks are in the CDB, and how long. */
interface Layout {
  does: Transfer['does']
  lba: [at: number, bytes: number]
  blocks: [at: number, bytes: number]
}

const layout = (does: Transfer['does'], lba: Layout['lba'], blocks: Layout['blocks']): Layout => {
  return { does, lba, blocks }
}
const ten = [[2, 4] as [number, number], [7, 2] as [number, number]] as const
const twelve = [[2, 4] as [number, number], [6, 4] as [number, number]] as const
const sixteen = [[2, 8] as [number, number], [10, 4] as [number, number]] as const
const thirtyTwo = [[12, 8] as [number, number], [28, 4] as [number, number]] as const

/** READ, WRITE, WRITE AND VERIFY and WRITE ATOMIC, but for those of 6 bytes. */
const transfers = new Map<number, Layout>([
  [0x28, layout('read', ...ten)],
  [0x2a, layout('write', ...ten)],
  [0x2e, layout('write', ...ten)],
  [0xa8, layout('read', ...twelve)],
  [0xaa, layout('write', ...twelve)],
  [0xae, layout('write', ...twelve)],
  [0x88, layout('read', ...sixteen)],
  [0x8a, layout('write', ...sixteen)],
  [0x8e, layout('write', ...sixteen)],
  [0x9c, layout('write', [2, 8], [12, 2])],
])

/** The same of 32 bytes, by their service action. */
const longTransfers = new Map<number, Layout>([
  [0x09, layout('read', ...thirtyTwo)],
  [0x0b, layout('write', ...thirtyTwo)],
  [0x0c, layout('write', ...thirtyTwo)],
])

/**
 * FORMAT UNIT, WRITE LONG (10), WRITE SAME (10), SANITIZE, XDWRITEREAD (10), COMPARE AND WRITE, ORWRITE (16), WRITE SAME (16),
 * ZBC OUT, and WRITE SCATTERED (16) and WRITE LONG (16), which are service actions of 9Fh.
 */
const changes = new Set([0x04, 0x3f, 0x41, 0x48, 0x53, 0x89, 0x8b, 0x93, 0x94, 0x9f])
/** Service actions of 7Fh: XDWRITEREAD, WRITE SAME, ORWRITE, WRITE ATOMIC, WRITE SCATTERED. */
const longChanges = new Set([0x07, 0x0d, 0x0e, 0x0f, 0x11])

/** Undefined for commands that leave the bytes alone, such as INQUIRY. */
export function effectOf(cdb: Buffer): CdbEffect | undefined {
  const [code = 0, second = 0] = cdb
  if (code === 0x08 || code === 0x0a) {
    const lba = cdb.readUIntBE(1, 3) & 0x1fffff
    return { does: code === 0x08 ? 'read' : 'write', lba, blocks: cdb.readUInt8(4) || 256 }
  }
  if (code === 0x42) return { does: 'unmap' }
  if (code === 0x83) {
    // EXTENDED COPY (LID4), POPULATE TOKEN, WRITE USING TOKEN and the like are other service actions.
    return second & 0x1f ? { does: 'change' } : { does: 'copy', listBytes: cdb.readUInt32BE(10) }
  }
  const action = code === 0x7f ? cdb.readUInt16BE(8) : undefined
  const { does, lba, blocks } = (action === undefined ? transfers.get(code) : longTransfers.get(action)) ?? {}
  if (does && lba && blocks)
    return { does, lba: Number(valueAt(cdb, lba)), blocks: Number(valueAt(cdb, blocks)) }
  return (action === undefined ? changes.has(code) : longChanges.has(action)) ? { does: 'change' } : undefined
}

function valueAt(cdb: Buffer, [at, bytes]: [number, number]): bigint {
  return BigInt(`0x${cdb.subarray(at, at + bytes).toString('hex')}`)
}
