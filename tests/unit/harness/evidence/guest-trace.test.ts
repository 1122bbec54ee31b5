import { expect, test } from 'vitest'
import { eventsMissing, lostEvents, parseGuestTrace } from '../../../../harness/evidence/guest-trace.ts'

const events = ['block_copy_offload', 'block_copy_fallback']
const header = '# tracer: nop\n#\n# entries-in-buffer/entries-written: 2/2   #P:2\n#\n'

test('offload and fallback, in words or as key=value', () => {
  const text = `${header}
         blkcopy-123     [001] .....     4.123456: block_copy_offload: src 259,1 2048 dst 259,1 4096 bytes 65536 error 0
 kworker/1:2H-99      [000] d..1.     4.200000: block_copy_fallback: src=8,0 src_sector=0 dst=259,2 dst_sector=8 bytes=512 error=-5 reason=not one device
          <idle>-0       [000] d..1.     4.300000: block_rq_issue: 259,1 R 0 () 0 + 8 [swapper/0]
`
  expect(parseGuestTrace(text, events)).toEqual([
    {
      event: 'block_copy_offload',
      source: { device: '259:1', sector: 2048 },
      destination: { device: '259:1', sector: 4096 },
      bytes: 65536,
      error: 0,
    },
    {
      event: 'block_copy_fallback',
      source: { device: '8:0', sector: 0 },
      destination: { device: '259:2', sector: 8 },
      bytes: 512,
      error: -5,
      reason: 'not one device',
    },
  ])
})

test('a field that is missing is an error', () => {
  const line = ' a-1 [001] ..... 4.1: block_copy_offload: src 259,1 2048 dst 259,1 4096 error 0'
  expect(() => parseGuestTrace(line, events)).toThrow(/no 'bytes'/)
})

test('lost events are noticed', () => {
  expect(lostEvents(header)).toBe(false)
  expect(lostEvents(header.replace('2/2', '2/500'))).toBe(true)
  expect(lostEvents('')).toBe(true)
})

test('an event that the tool does not say is there is missing', () => {
  const events = ['scsi/scsi_dispatch_cmd_done', 'block_rq_complete']
  const [done, complete] = ['scsi/scsi_dispatch_cmd_done there=yes', 'block_rq_complete there=yes']
  expect(eventsMissing(`trace event=${done}\ntrace event=${complete}\n`, events)).toEqual([])
  const without = `trace event=${done}\ntrace event=block_rq_complete there=no\n`
  expect(eventsMissing(without, events)).toEqual(['block_rq_complete'])
  expect(eventsMissing('', events)).toEqual(events)
})
