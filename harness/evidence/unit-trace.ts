/**
 * What SCSI units were told to do, and what came of it: events of the guest's kernel. For a unit whose target is in the guest,
 * too, they stand for the trace of a device.
 *
 * include/trace/events/scsi.h: `host_no=0 channel=0 id=1 lun=0 … cmnd=(… raw=CDB) result=(… host=DID_OK … status=SAM_STAT_GOOD)`.
 * The CDB of EXTENDED COPY has the length of its parameter list and no ranges: where a copy goes tells block_rq_complete,
 * and both that and where it comes from the trace of the disk under the unit.
 */
import type { DeviceActivity } from './device-trace.ts'
import { parseRequestTrace, requestEvent } from './request-trace.ts'

/** Trace events that must be on. */
export const unitEvents = [
  'scsi/scsi_dispatch_cmd_start',
  'scsi/scsi_dispatch_cmd_done',
  'scsi/scsi_dispatch_cmd_timeout',
  `block/${requestEvent}`,
]

export interface TracedUnit {
  name: string
  /** host:channel:target:LUN */
  address: string
  /** `major:minor` */
  number: string
  blockSize: number
}

export interface UnitActivity extends DeviceActivity {
  /** How many commands have reached each unit; those of error recovery are not traced. */
  sent: Map<string, number>
  timeouts: number
}

/** Without the ones of 0 sectors, by which the midlayer says that a command has come to nothing yet. */
const completedCopy = / block_rq_complete: \d+,\d+ F?CW.* \+ [1-9]\d* .*\[0\]/

const command =
  /: scsi_dispatch_cmd_(start|done|timeout): host_no=(\d+) channel=(\d+) id=(\d+) lun=(\d+) .*\braw=([0-9a-f ]+)\)(.*)$/
/** What the transport says when it has not delivered a command. */
const lostOnTheWay = new Set(['DID_TRANSPORT_DISRUPTED', 'DID_NO_CONNECT'])

const outcome = /host=(\w+) .*status=(\w+)\)(?: sense=\((.*)\))?/

/** READ and WRITE by operation code: where the LBA and the number of blocks are in the CDB, and how long. */
const transfers = new Map<number, { write: boolean; lba: number; blocks: [at: number, bytes: number] }>([
  [0x08, { write: false, lba: 1, blocks: [4, 1] }],
  [0x0a, { write: true, lba: 1, blocks: [4, 1] }],
  [0x28, { write: false, lba: 2, blocks: [7, 2] }],
  [0x2a, { write: true, lba: 2, blocks: [7, 2] }],
  [0x88, { write: false, lba: 2, blocks: [10, 4] }],
  [0x8a, { write: true, lba: 2, blocks: [10, 4] }],
])
/** WRITE SAME (10), WRITE SAME (16), COMPARE AND WRITE, FORMAT UNIT */
const changes = new Set([0x41, 0x93, 0x89, 0x04])
const unmap = 0x42
const extendedCopy = 0x83

/** SPC-4, EXTENDED COPY (LID1): a header, a descriptor for each end, and one for each segment. */
const listBytes = (segments: number) => 16 + 2 * 32 + segments * 28

/** Throws when a line is not understood. */
export function parseUnitTrace(text: string, units: readonly TracedUnit[]): UnitActivity {
  const names = new Map(units.map(({ number, name }) => [number, name]))
  const requests = parseRequestTrace(
    text
      .split('\n')
      .filter((line) => completedCopy.test(line))
      .join('\n'),
    names,
  )
  const activity: UnitActivity = {
    ...{ copies: requests.copies, copySources: [], copyDestinations: requests.copyDestinations },
    ...{ reads: [], writes: [], discards: [], errors: [] },
    ...{ sent: new Map(units.map(({ name }) => [name, 0])), timeouts: 0 },
  }
  const copied = new Map<string, number>()
  for (const line of text.split('\n')) {
    if (!line.includes(': scsi_dispatch_cmd_')) continue
    const match = command.exec(line)
    if (!match) throw new Error(`cannot read the guest's trace line: ${line.trim()}`)
    const [, event, host, channel, id, lun, raw = '', rest = ''] = match
    const unit = units.find(({ address }) => address === `${host}:${channel}:${id}:${lun}`)
    if (!unit) continue
    if (event === 'start') {
      activity.sent.set(unit.name, (activity.sent.get(unit.name) ?? 0) + 1)
      continue
    }
    const cdb = Buffer.from(raw.replaceAll(' ', ''), 'hex')
    const [code = 0] = cdb
    const what = `${unit.name} ${code.toString(16).padStart(2, '0')}h`
    if (event === 'timeout') {
      activity.timeouts += 1
      activity.errors.push(`${what}: timeout`)
      continue
    }
    const [, hostByte, status, sense] = outcome.exec(rest) ?? []
    if (hostByte === undefined) throw new Error(`cannot read the guest's trace line: ${line.trim()}`)
    if (lostOnTheWay.has(hostByte)) activity.sent.set(unit.name, (activity.sent.get(unit.name) ?? 0) - 1)
    const transfer = transfers.get(code)
    if (hostByte !== 'DID_OK' || status !== 'SAM_STAT_GOOD') {
      // What is no copy may well fail, such as a question whether the unit can do something.
      if (transfer || code === extendedCopy) activity.errors.push(`${what}: ${hostByte} ${status} ${sense}`)
    } else if (transfer) {
      const six = code < 0x20
      const lba = six ? cdb.readUIntBE(1, 3) & 0x1fffff : Number(wide(cdb, transfer.lba, cdb.length))
      const [at, bytes] = transfer.blocks
      const blocks = cdb.readUIntBE(at, bytes) || (six ? 256 : 0)
      const range = { offset: lba * unit.blockSize, bytes: blocks * unit.blockSize }
      activity[transfer.write ? 'writes' : 'reads'].push({ disk: unit.name, ...range, carriesData: true })
    } else if (code === extendedCopy) {
      copied.set(unit.name, (copied.get(unit.name) ?? 0) + 1)
      if (cdb.readUInt32BE(10) !== listBytes(1))
        activity.errors.push(`${what}: a parameter list of ${cdb.readUInt32BE(10)} bytes, not one segment`)
    } else if (code === unmap) {
      activity.discards.push(what)
    } else if (changes.has(code)) {
      activity.writes.push({ disk: unit.name, offset: 0, bytes: 0, carriesData: false })
    }
  }
  for (const { name } of units) {
    const ended = activity.copies.filter(({ disk }) => disk === name).length
    const commands = copied.get(name) ?? 0
    if (ended !== commands)
      activity.errors.push(`${name}: ${ended} copies have ended well, and ${commands} EXTENDED COPY commands`)
  }
  return activity
}

/** READ (10) and WRITE (10) have an LBA of 4 bytes, READ (16) and WRITE (16) one of 8. */
function wide(cdb: Buffer, at: number, length: number): bigint {
  return length === 16 ? cdb.readBigUInt64BE(at) : BigInt(cdb.readUInt32BE(at))
}
