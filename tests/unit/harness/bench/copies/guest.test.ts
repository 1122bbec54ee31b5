import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { CopyGuest } from '../../../../../harness/bench/copies/guest.ts'
import { scriptedGuest } from './scripted-guest.ts'

let directory: string
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'copylab-test-'))
})
afterEach(() => rmSync(directory, { recursive: true }))

test('whose ranges a Copy command has is known from what the boot has read', async () => {
  const { guest } = await scriptedGuest(directory)
  const lines = (...some: string[]) => `${some.join('\n')}\n`
  writeFileSync(
    guest.traceLog,
    lines(
      ...[
        'pci_nvme_read cid 1 nsid 1 nlb 8 count 4096 lba 0x0',
        'blk_co_preadv blk 0x1 bs 0x2 offset 0 bytes 4096',
      ],
      ...[
        'pci_nvme_read cid 1 nsid 2 nlb 8 count 4096 lba 0x0',
        'blk_co_preadv blk 0x3 bs 0x4 offset 0 bytes 4096',
      ],
    ),
  )
  const copying = {
    ...guest,
    exec: async () => {
      // Format 2: the command goes to the second namespace and reads from the first.
      const trace = lines(
        'pci_nvme_copy cid 1 nsid 2 nr 1 format 0x2',
        ...[
          'pci_nvme_copy_source_range slba 0x8 nlb 8',
          'blk_co_preadv blk 0x1 bs 0x2 offset 4096 bytes 4096',
        ],
        ...['pci_nvme_copy_out slba 0x0 nlb 8', 'blk_co_pwritev blk 0x3 bs 0x4 offset 0 bytes 4096'],
      )
      appendFileSync(guest.traceLog, trace)
      return { status: 0, stdout: Buffer.from('done'), stderr: Buffer.alloc(0) }
    },
  }
  const { output, activity } = await new CopyGuest(copying, new AbortController().signal).traced(['copy'])
  expect(output).toBe('done')
  expect(activity).toMatchObject({
    copySources: [{ disk: 'near', offset: 4096, bytes: 4096, by: 'far' }],
    copyDestinations: [{ disk: 'far', offset: 0, bytes: 4096 }],
    reads: [],
  })
})
