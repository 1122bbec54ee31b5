import { expect, test } from 'vitest'
import {
  leakSignature,
  type Signature,
  sameSignature,
  splatSignature,
  wordsSignature,
} from '../../../../../harness/bisect/attempt/signature.ts'

const oops = `[    6.026894] BUG: kernel NULL pointer dereference, address: 0000000000000028
[    6.027446] #PF: supervisor read access in kernel mode
[    6.032553] Oops: Oops: 0000 [#1] SMP
[    6.033075] CPU: 0 UID: 0 PID: 24 Comm: kworker/u9:0 Not tainted 6.12.117 #5
[    6.033553] Workqueue: blk_copy blk_copy_work
[    6.034497] RIP: 0010:bio_copy_fits+0x0/0x1a
[    6.034812] Code: 5b 5d 41 5c <8b> 47 28
[    6.041287] Call Trace:
[    6.041829]  <TASK>
[    6.041972]  ? bio_copy_check_queue+0x33/0x61
[    6.042231]  ? bio_check_copy_limits+0x33/0x12f
[    6.042369]  ? bio_split_to_limits.isra.0+0x34/0x8f
[    6.042490]  ? nvme_ns_head_submit_bio+0x38/0x248
[    6.042997]  ? submit_bio_noacct+0x27d/0x378
[    6.043000]  ? submit_bio_noacct+0x27d/0x378
[    6.043547]  ? process_scheduled_works+0x17a/0x27f
[    6.043682]  ? worker_thread+0x136/0x1ae
[    6.043700]  </TASK>
[    6.059253] WARNING: CPU: 0 PID: 24 at kernel/exit.c:892 do_exit+0x6d/0x7f2
[    6.062041] RIP: 0010:do_exit+0x6d/0x7f2
`
/** The same bug in another build and another boot, where one function was inlined. */
const again = oops
  .replaceAll(/\[ +(\d)\./g, (_, second) => `[   1${second}.`)
  .replaceAll(/\+0x\w+\/0x\w+/g, '+0x11/0x99')
  .replace('RIP: 0010:bio_copy_fits', 'RIP: 0010:bio_copy_check_queue')
  .replace(/.*\? bio_copy_check_queue.*\n/, '')
  .replace('0000000000000028', '0000000000000030')
  .replace('kworker/u9:0', 'kworker/1:1H')
const first = (log: string) => log.split('\n')[0] ?? ''

test('an oops is known by what it says and where, in any build and boot', () => {
  const signature = splatSignature(first(oops), [oops])
  expect(signature).toEqual({
    kind: 'splat',
    text: 'BUG: kernel NULL pointer dereference',
    frames: [
      ...['bio_copy_fits', 'bio_copy_check_queue', 'bio_check_copy_limits', 'bio_split_to_limits'],
      ...['nvme_ns_head_submit_bio', 'submit_bio_noacct'],
    ],
  })
  const other = splatSignature(first(again), [again])
  expect(other.frames[0]).toBe('bio_copy_check_queue')
  expect(sameSignature(signature, other)).toBe(true)
})

test('the guest’s own log has levels, and the console has not', () => {
  const log = oops.replace(/^/gm, '<4>')
  const signature = splatSignature(first(oops), [oops])
  expect(splatSignature(first(log), [oops])).toEqual(signature)
  expect(splatSignature(first(log), [log])).toEqual(signature)
  const warning = '<4>[    4.3] WARNING: CPU: 1 PID: 61 at block/blk-copy.c:542 blk_copy_work+0x2fe/0x4c6'
  expect(splatSignature(warning, []).text).toBe('WARNING: block/blk-copy.c blk_copy_work')
})

test('the same words elsewhere are another bug, and so are others at the same place', () => {
  const signature = splatSignature(first(oops), [oops])
  const elsewhere = oops
    .replaceAll('bio_', 'dm_')
    .replace('nvme_ns_head', 'dm')
    .replaceAll('submit_bio', 'map')
  expect(sameSignature(signature, splatSignature(first(elsewhere), [elsewhere]))).toBe(false)
  expect(sameSignature(signature, { ...signature, text: 'kernel BUG at block/bio.c!' })).toBe(false)
  expect(sameSignature(signature, { ...signature, frames: [] })).toBe(false)
  expect(sameSignature(signature, { ...signature, kind: 'boot' })).toBe(false)
})

test('what every work item comes through makes no two stacks alike', () => {
  const trace = (name: string) =>
    `BUG: scheduling while atomic\nCall Trace:\n <TASK>\n ${name}+0x1/0x2\n process_one_work+0x1/0x2\n worker_thread+0x1/0x2\n kthread+0x1/0x2\n ret_from_fork+0x1/0x2\n </TASK>\n`
  const [one, other] = ['blk_copy_work', 'dm_wq_work'].map((name) =>
    splatSignature(first(trace(name)), [trace(name)]),
  )
  expect(one?.frames).toEqual(['blk_copy_work'])
  expect(sameSignature(one as Signature, other as Signature)).toBe(false)
})

test('where the unwinder vouches for functions, only they count, and what reports is left out', () => {
  const log = `[    1.0] BUG: KASAN: slab-use-after-free in blk_copy_end+0x34/0x50
[    1.0] Read of size 8 at addr ffff888001234568 by task kworker/0:1/24
[    1.0] Call Trace:
[    1.0]  <TASK>
[    1.0]  dump_stack_lvl+0x7f/0x8c
[    1.0]  print_report+0xcf/0x610
[    1.0]  kasan_report+0xb5/0xe0
[    1.0]  ? stale+0x1/0x2
[    1.0]  blk_copy_end+0x34/0x50
[    1.0]  bio_endio+0x1/0x2
[    1.0]  </TASK>
[    1.0] Allocated by task 24:
[    1.0]  kasan_save_stack+0x1/0x2
[    1.0]  not_this+0x1/0x2
`
  expect(splatSignature(first(log), [log])).toEqual({
    kind: 'splat',
    text: 'BUG: KASAN: slab-use-after-free in blk_copy_end',
    frames: ['blk_copy_end', 'bio_endio'],
  })
})

test.each([
  [
    '[    6.05] WARNING: CPU: 0 PID: 24 at kernel/exit.c:892 do_exit+0x6d/0x7f2',
    'WARNING: kernel/exit.c do_exit',
  ],
  [
    '[    6.05][   T24] WARNING: block/bio.c:8 at bio_put+0x1/0x2, CPU#1: dd/24',
    'WARNING: block/bio.c bio_put',
  ],
  ['kernel BUG at /x/trees/6.12/source/block/blk-copy.c:120!', 'kernel BUG at block/blk-copy.c!'],
  [
    'BUG: workqueue leaked atomic, lock or RCU: kworker/1:1H[59]',
    'BUG: workqueue leaked atomic, lock or RCU: kworker',
  ],
  ['BUG: unable to handle page fault for address: ffffc90000f3a000', 'BUG: unable to handle page fault'],
  [
    'Oops: general protection fault, probably for non-canonical address 0xdffffc0000000000: 0000 [#1] PREEMPT SMP KASAN',
    'general protection fault',
  ],
  [
    'watchdog: BUG: soft lockup - CPU#1 stuck for 26s! [dd:123]',
    'watchdog: BUG: soft lockup - CPU stuck for Ns!',
  ],
  [
    'INFO: task kworker/0:2:31 blocked for more than 122 seconds.',
    'INFO: task kworker blocked for more than N seconds.',
  ],
  [
    'rcu: INFO: rcu_sched detected stalls on CPUs/tasks: { 0-...D } 2 jiffies s: 3 root: 0x1/.',
    'rcu: INFO: rcu_sched detected stalls on CPUs/tasks:',
  ],
  [
    'Kernel panic - not syncing: Attempted to kill init! exitcode=0x0000000b',
    'Kernel panic - not syncing: Attempted to kill init! exitcode=0x0000000b',
  ],
  [
    'Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)',
    'Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)',
  ],
])('a complaint without what differs from boot to boot: %s', (line, text) => {
  expect(splatSignature(line, []).text).toBe(text)
})

test.each([
  ['guest: error is EOPNOTSUPP, not EIO\nguest: more', 'guest: error is EOPNOTSUPP, not EIO'],
  ['guest: offloaded is 786432, not 0', 'guest: offloaded is N, not 0'],
  [
    'device: Copy sources of large: 1048576+512 is too much',
    'device: Copy sources of large: N+N is too much',
  ],
  [
    'large: 4096 bytes are wrong, the first at 8192: zeroes',
    'large: N bytes are wrong, the first at N: zeroes',
  ],
  [
    "expected [ 'CW be 4' ] to deeply equal [ 'CW be 2' ]",
    "expected [ 'CW be 4' ] to deeply equal [ 'CW be 2' ]",
  ],
  [
    'in the guest: /bin/blkcopy set /dev/nvme1n5: exit status 22: x',
    'in the guest: /bin/blkcopy set /dev/nvmen: exit status 22: x',
  ],
  [
    'in the guest: /bin/dmtable create verity1 0 65536 verity f47f00980d151c182d4a763a4466ecc33af1fe9071bf69703163287265e459cf',
    'in the guest: /bin/dmtable create verity1 0 N verity HEX',
  ],
  ['the copy was over 594.843835 ms before it', 'the copy was over N ms before it'],
  ['ended before: asleep no state=X', 'ended before: asleep no state='],
])('what a case says without sizes, times and device names: %s', (words, text) => {
  expect(wordsSignature('assertion', words)).toEqual({ kind: 'assertion', text, frames: [] })
})

test.each([
  ["/c/trees/6.12/source/block/bio.c:12:3: error: 'x' undeclared", "block/bio.c: error: 'x' undeclared"],
  ['../block/bio.c:12:3: error: ‘x4’ undeclared', "block/bio.c: error: 'x4' undeclared"],
  [
    'make[3]: *** [../scripts/Makefile.build:229: block/bio.o] Error 1',
    'make: *** [Makefile.build: block/bio.o] Error 1',
  ],
  [
    "/x/trees/a/source/block/blk-copy.c:(.text+0x12): undefined reference to `f'",
    "block/blk-copy.c:(.text): undefined reference to `f'",
  ],
])('what the compiler says without lines and the place of the tree: %s', (words, text) => {
  expect(wordsSignature('build', words).text).toBe(text)
})

test('a leak is known by who has allocated', () => {
  const report = `unreferenced object 0xffff888003d4c0c0 (size 192):
  comm "blkcopy", pid 140, jiffies 4294899103
  backtrace (crc 4d3f5a21):
    [<00000000e2b4d1b2>] kmem_cache_alloc_noprof+0x15a/0x2b0
    [<00000000a1b2c3d4>] bio_alloc_bioset+0x1/0x2
    blk_copy_begin+0x1/0x2
unreferenced object 0xffff888003d4c180 (size 64):
  backtrace (crc 1):
    somebody_else+0x1/0x2
`
  expect(leakSignature(report)).toEqual({
    kind: 'leak',
    text: 'unreferenced object HEX (size N):',
    frames: ['bio_alloc_bioset', 'blk_copy_begin'],
  })
})
