/**
 * What SCSI units were told to do, and what came of it: events of the guest's kernel. For a unit whose target is in the guest,
 * too, they stand for the trace of a device.
 *
 * include/trace/events/scsi.h: `host_no=0 channel=0 id=1 lun=0 … cmnd=(… raw=CDB) result=(… host=DID_OK … status=SAM_STAT_GOOD)`.
 * The CDB of EXTENDED COPY has the length of its parameter list and no ranges: where a copy goes tells block_rq_complete,
 * and both that and where it comes from the trace of the disk under the unit.
 */
import { effectOf } from './cdb.ts'
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
  /** How many commands each unit was sent; those of error recovery are not traced. */
  sent: Map<string, number>
  /** Of them, how many the transport has not delivered, or has lost the answer to. */
  lost: Map<string, number>
  /** Of them, how many have timed out. */
  timeouts: Map<string, number>
  /** What the two kinds of events do not say alike, or what nobody could tell from them. */
  contradictions: string[]
}

/** Without the ones of 0 sectors, by which the midlayer says that a command has come to nothing yet. */
const completedCopy = / block_rq_complete: \d+,\d+ F?CW.* \+ [1-9]\d* .*\[0\]/
const failedCopy = / block_rq_complete: (\d+,\d+) F?CW.*\[-\d+\]/

const command =
  /: scsi_dispatch_cmd_(start|done|timeout): host_no=(\d+) channel=(\d+) id=(\d+) lun=(\d+) .*\braw=([0-9a-f ]+)\)(.*)$/
/** What the transport says of a command that the unit may not have got, or has got before it went. */
const lostOnTheWay = new Set(['DID_TRANSPORT_DISRUPTED', 'DID_NO_CONNECT'])

/** SPC-4, sense key 1h, RECOVERED ERROR: the command was completed successfully. */
const recovered = /^key=0x1 /

const outcome = /host=(\w+) .*status=(\w+)\)(?: sense=\((.*)\))?/

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
    ...{ reads: [], writes: [], others: [], errors: [], contradictions: [] },
    ...{ sent: new Map(units.map(({ name }) => [name, 0])), lost: new Map(), timeouts: new Map() },
  }
  const copied = new Map<string, number>()
  const failed = new Map<string, number>()
  for (const line of text.split('\n')) {
    const [, request] = failedCopy.exec(line) ?? []
    if (request !== undefined) failed.set(request, (failed.get(request) ?? 0) + 1)
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
      activity.timeouts.set(unit.name, (activity.timeouts.get(unit.name) ?? 0) + 1)
      activity.errors.push(`${what}: timeout`)
      continue
    }
    const [, hostByte, status, sense] = outcome.exec(rest) ?? []
    if (hostByte === undefined) throw new Error(`cannot read the guest's trace line: ${line.trim()}`)
    if (lostOnTheWay.has(hostByte)) activity.lost.set(unit.name, (activity.lost.get(unit.name) ?? 0) + 1)
    const effect = effectOf(cdb)
    const goodStatus =
      status === 'SAM_STAT_GOOD' || (status === 'SAM_STAT_CHECK_CONDITION' && recovered.test(sense ?? ''))
    if (hostByte !== 'DID_OK' || !goodStatus) {
      // What is no copy may well fail, such as a question whether the unit can do something.
      if (effect) activity.errors.push(`${what}: ${hostByte} ${status} ${sense}`)
      continue
    }
    switch (effect?.does) {
      case 'read':
      case 'write': {
        const range = { offset: effect.lba * unit.blockSize, bytes: effect.blocks * unit.blockSize }
        const list = effect.does === 'write' ? activity.writes : activity.reads
        list.push({ disk: unit.name, ...range, carriesData: true })
        break
      }
      case 'copy':
        copied.set(unit.name, (copied.get(unit.name) ?? 0) + 1)
        if (effect.listBytes !== listBytes(1))
          activity.contradictions.push(
            `${what}: a parameter list of ${effect.listBytes} bytes, not one segment`,
          )
        break
      case 'unmap':
        activity.others.push(what)
        break
      case 'change':
        activity.writes.push({ disk: unit.name, offset: 0, bytes: 0, carriesData: false })
        break
    }
  }
  for (const { name, number } of units) {
    const ended = activity.copies.filter(({ disk }) => disk === name).length
    const commands = copied.get(name) ?? 0
    const disbelieved = commands - ended
    if (disbelieved > 0 && disbelieved <= (failed.get(number.replace(':', ',')) ?? 0))
      activity.errors.push(
        ...Array<string>(disbelieved).fill(`${name} 83h: ended well, and its request did not`),
      )
    else if (disbelieved !== 0)
      activity.contradictions.push(
        `${name}: ${ended} copies have ended well, and ${commands} EXTENDED COPY commands`,
      )
  }
  return activity
}
