import { describe, expect, test } from 'vitest'
import { sameSignature } from '../../../../../harness/bisect/attempt/signature.ts'
import { verdictOfError, verdictOfOutcomes } from '../../../../../harness/bisect/attempt/verdict.ts'
import { Failure } from '../../../../../harness/failure.ts'
import { BuildRefused } from '../../../../../harness/kernel/errors.ts'
import { OptionDropped } from '../../../../../harness/kernel/kconfig.ts'
import type { CaseOutcome } from '../../../../../harness/run/outcome.ts'
import { type CaseRecord, emptyRecord } from '../../../../../harness/run/record.ts'
import { PatchRefused } from '../../../../../harness/series/refusal.ts'
import { DisksMissing } from '../../../../../qemu/disks.ts'
import { GuestLost } from '../../../../../qemu/lost.ts'
import { defaultTopology, disksOf } from '../../../../../qemu/topology.ts'

const oops = `[    0.5] kernel BUG at block/genhd.c:914!
[    0.5] Oops: invalid opcode: 0000 [#1] SMP
[    0.5] RIP: 0010:genhd_device_init+0x5/0x7e
[    0.5] Call Trace:
[    0.5]  <TASK>
[    0.5]  ? do_one_initcall+0x5b/0x11d
[    0.5]  </TASK>
[    0.6] Kernel panic - not syncing: Attempted to kill init! exitcode=0x0000000b`

function lost(reason: GuestLost['reason'], message: string, splat?: string): GuestLost {
  return new GuestLost(reason, message, { consoleTail: '', splat, command: 'qemu', qemuLog: '' })
}

describe('an error', () => {
  test('of the compiler is a kernel that does not build', () => {
    const words = '/c/trees/6.12/source/block/bio.c:3:4: error: no'
    const error = new BuildRefused(words, `the kernel does not build: ${words}`, { log: '/log' })
    expect(verdictOfError(error)).toEqual({
      result: 'no build',
      reason: `the kernel does not build: ${words}`,
      signature: { kind: 'build', text: 'block/bio.c: error: no', frames: [] },
    })
  })

  test('of git or of kconfig is a candidate that there is not', () => {
    const patch = new PatchRefused(2, '2.patch (2 of 3) does not apply to 6.1\n  more', {})
    expect(verdictOfError(patch)).toEqual({
      result: 'no apply',
      reason: '2.patch (2 of 3) does not apply to 6.1',
    })
    const option = new OptionDropped(
      'usage',
      'a.config:1: CONFIG_X is wanted y, but kconfig made it n\n    why',
    )
    expect(verdictOfError(option)).toEqual({
      result: 'no config',
      reason: 'a.config:1: CONFIG_X is wanted y, but kconfig made it n',
    })
  })

  test('of the machine tells nothing, and one of the user or of copylab ends it', () => {
    expect(verdictOfError(new Failure('infra', 'no room'))).toEqual({ result: 'infra', reason: 'no room' })
    const full = Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC' })
    expect(verdictOfError(full)).toMatchObject({ result: 'infra' })
    const wrong = new Failure('usage', 'there is no fragment x')
    expect(() => verdictOfError(wrong)).toThrow(wrong)
    expect(() => verdictOfError(new TypeError('a bug'))).toThrow('a bug')
  })
})

describe('a boot that comes to nothing', () => {
  test('is known by the complaint and its place', () => {
    const splat = '[    0.5] kernel BUG at block/genhd.c:914!'
    expect(verdictOfError(lost('panic', "the guest's kernel panicked: x", splat), oops)).toEqual({
      result: 'no boot',
      reason: "the guest's kernel panicked: x, after: kernel BUG at block/genhd.c:914!",
      signature: { kind: 'boot', text: 'kernel BUG at block/genhd.c!', frames: ['genhd_device_init'] },
    })
  })

  test.each([
    ['hung', '', 'the kernel hangs before its first message'],
    [
      'hung',
      '[    0.1] one\n[    1.2] sd 0:0:0:0: Power-on\n',
      'the kernel hangs after: sd 0:0:0:0: Power-on',
    ],
    ['panic', '[    0.1] one\n', 'the kernel resets the machine after: one'],
  ] as const)('without a complaint is known by its last words: %s', (reason, log, text) => {
    expect(verdictOfError(lost(reason, 'x'), log)).toMatchObject({ result: 'no boot', signature: { text } })
  })

  test.each([
    'exited',
    'boot-timeout',
    'agent',
  ] as const)('through QEMU or the host tells nothing: %s', (how) => {
    expect(verdictOfError(lost(how, 'QEMU ended (signal SIGKILL)'))).toEqual({
      result: 'infra',
      reason: 'QEMU ended (signal SIGKILL)',
    })
    const splat = '[    0.5] WARNING: CPU: 0 PID: 1 at block/bio.c:8 bio_put+0x1/0x2'
    expect(verdictOfError(lost(how, 'QEMU ended'), splat)).toMatchObject({ result: 'infra' })
    expect(verdictOfError(lost(how, 'QEMU ended', splat), splat)).toMatchObject({
      result: 'fail',
      signature: { kind: 'splat', text: 'WARNING: block/bio.c bio_put' },
    })
  })

  test('without its disks is known by those, or by what the kernel said of it', () => {
    const disks = disksOf(defaultTopology).slice(0, 2).reverse()
    const names = disks.map(({ name }) => name).sort()
    const missing = new DisksMissing(disks, new Map(), {})
    expect(verdictOfError(missing)).toMatchObject({
      result: 'no boot',
      signature: { kind: 'boot', text: `the kernel has not found ${names.join(', ')}` },
    })
    expect(verdictOfError(missing, oops)).toMatchObject({ signature: { frames: ['genhd_device_init'] } })
  })
})

function outcome(more: Partial<CaseOutcome>, record: Partial<CaseRecord> = {}): CaseOutcome {
  return {
    ...{ id: 'nvme/001', group: 'nvme', description: 'x', verdict: 'pass', command: '' },
    startedAt: new Date(0),
    ...more,
    record: { ...emptyRecord, ...record },
  }
}

describe('a case', () => {
  const copy = (copied: string, offloaded: string): CaseRecord['copies'][number] => ({
    requests: [
      {
        ...{ path: 'nvme', bytes: 4096, error: '0', copied, offloaded },
        ...{ from: { target: 'a', offset: 0 }, to: { target: 'b', offset: 0 } },
      },
    ],
    traced: { offloaded: 1024, fallback: 512 },
    device: { copyCommands: 2, copiedBytes: 0, linkReadBytes: 0, linkWrittenBytes: 0, errors: [] },
    witnesses: { guest: true, device: true, host: false },
  })

  test('that passes says what was copied, and who bears it out', () => {
    const copies = [copy('4096', '2048'), copy('4096', 'unknown')]
    expect(verdictOfOutcomes([outcome({}, { copies, runtimeMs: 7 })], '')).toEqual({
      ...{ result: 'pass', runtimeMs: 7, copied: 8192, offloaded: 3072 },
      evidence: [
        'copy 1 (nvme): error 0, 4096 of 4096 bytes copied, 2048 offloaded, 2 Copy commands; borne out by guest, device',
        'copy 2 (nvme): error 0, 4096 of 4096 bytes copied, unknown offloaded, 2 Copy commands; borne out by guest, device',
      ],
    })
  })

  test.each([
    ['infra', 'QEMU ended'],
    ['not run', 'the unpatched kernel has no BLKCOPY ioctl'],
  ] as const)('that is %s says why', (verdict, reason) => {
    expect(verdictOfOutcomes([outcome({ verdict, reason })], '')).toEqual({ result: verdict, reason })
  })

  test('that passes is not enough when nobody could look at its guest afterwards, or that had a complaint', () => {
    const infra = outcome({ verdict: 'infra', reason: 'QEMU ended' }, { lost: 'exited' })
    expect(verdictOfOutcomes([outcome({}), infra], '')).toEqual({ result: 'infra', reason: 'QEMU ended' })
    const splat = '[    9.1] kernel BUG at block/genhd.c:914!'
    const failed = outcome({ verdict: 'fail', reason: splat }, { splat })
    expect(verdictOfOutcomes([outcome({}), failed], oops.replaceAll('0.5', '9.1'))).toMatchObject({
      result: 'fail',
      signature: { kind: 'splat', text: 'kernel BUG at block/genhd.c!', frames: ['genhd_device_init'] },
    })
  })

  test.each([
    ['assertion', 'guest: error is EIO, not 0', {}],
    ['timeout', "'/bin/blkcopy copy' was still running in the guest after 99 ms", { lost: 'hung' }],
    ['lost', "the guest's kernel has reset the machine without a message", { lost: 'panic' }],
    ['timeout', 'Test timed out in 1430000ms.', {}],
    // As the last look leaves it.
    ['timeout', 'the guest hangs', { lost: 'hung', splat: 'the guest hangs' }],
    [
      'leak',
      'kmemleak: unreferenced object 0xffff888003d4c0c0 (size 192):',
      { splat: 'kmemleak: x', dmesg: 'x' },
    ],
  ] as const)('that fails does so by %s: %s', (kind, reason, record) => {
    const verdict = verdictOfOutcomes(
      [outcome({ verdict: 'fail', reason }, record as Partial<CaseRecord>)],
      '',
    )
    expect(verdict).toMatchObject({ result: 'fail', reason, signature: { kind } })
  })

  test('whose stack is in its own messages alone is known by that', () => {
    const splat = '[    0.5] kernel BUG at block/genhd.c:914!'
    const failed = outcome({ verdict: 'fail', reason: splat }, { splat, dmesg: oops })
    const one = verdictOfOutcomes([failed], '')
    const other = verdictOfOutcomes([failed], oops)
    if (one.result !== 'fail' || other.result !== 'fail') throw new Error('expected failures')
    expect(one.signature.frames).toEqual(['genhd_device_init'])
    expect(sameSignature(one.signature, other.signature)).toBe(true)
  })
})
