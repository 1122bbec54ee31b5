/** The stack that the kernel prints with a complaint. */

/** What prints a complaint, and what stands for it on the stack. */
const reporters =
  /^(?:dump_stack|show_stack|__dump_stack|panic|vpanic|__warn|warn_|report_bug|handle_bug|exc_|asm_exc_|do_trap|do_error_trap|die|__die|oops_|page_fault_oops|kernelmode_fixup|no_context|__bad_area|bad_area|print_|kasan_|__kasan_|__asan_|check_noncircular|__might_|lockdep_rcu_suspicious|kernel_fault|__stack_chk_fail|asm_common_interrupt|sysvec_|asm_sysvec_|watchdog_|__lock_acquire$|lock_acquire$|kmemleak_|kmem_cache_|__?kmalloc|kmalloc|slab_post_)/

/** Through them everything comes that is done on behalf of a process, by a worker or in the boot. */
const entries =
  /^(?:process_one_work|process_scheduled_works|worker_thread|kthread|ret_from_fork|ret_from_fork_asm|do_syscall_64|entry_SYSCALL|x64_sys_call|do_idle|cpu_startup_entry|start_secondary|common_startup_64|secondary_startup|do_one_initcall|do_basic_setup|kernel_init|kernel_init_freeable|rest_init|x86_64_start_|rewind_stack_and_make_dead)/

/** More functions say no more. */
const depth = 8

/** Lines after a complaint in which its stack is looked for: a report of lockdep has one far below. */
const reach = 200

/** `blk_copy_end+0x34/0x50`, with `? ` when the unwinder does not vouch for it */
const frame = /^(\? )?([\w.]+)\+0x[0-9a-f]+(?:\/0x[0-9a-f]+)?(?: \[[\w ]+\])?$/

/**
 * Functions of the stack below a line, the innermost first: that of the instruction pointer, then the callers.
 * @param logs the first one that has the line is read
 */
export function framesAfter(line: string, logs: readonly string[]): string[] {
  // The console has no levels.
  const wanted = line.trim().replace(/^<\d+>/, '')
  for (const log of logs) {
    const lines = log.split('\n')
    const at = lines.findIndex((one) => one.includes(wanted))
    if (at >= 0) return framesIn(lines.slice(at + 1, at + 1 + reach))
  }
  return []
}

function framesIn(lines: readonly string[]): string[] {
  const vouched: string[] = []
  const guessed: string[] = []
  let pointer: string | undefined
  let begun = false
  for (const line of lines) {
    const text = line.replace(/^.*?\[ *\d+\.\d+\](?:\[ *[TC]\d+\])? ?/, '').trim()
    // Registers of another stack come after its end, and the next complaint after that.
    if (
      /^(?:<\/TASK>|---\[ end |Kernel panic|-+\[ cut here |unreferenced object)/.test(text) &&
      (begun || pointer)
    )
      break
    const [, ip] = /^RIP: 0010:([\w.]+)\+0x/.exec(text) ?? []
    if (ip && !begun) pointer ??= withoutSuffix(ip)
    const [, doubt, name] = frame.exec(text.replace(/^\[<[0-9a-f]+>\] /, '')) ?? []
    if (name) {
      begun = true
      if (!reporters.test(name) && !entries.test(name)) (doubt ? guessed : vouched).push(withoutSuffix(name))
    } else if (begun && text === '') break
  }
  const callers = vouched.length ? vouched : guessed
  const all = pointer === undefined ? callers : [pointer, ...callers]
  return all.filter((name, index) => name !== all[index - 1]).slice(0, depth)
}

/** The same place, or one that was inlined there, and most of the shorter one is in the other one, in the same order. */
export function similarStacks(a: readonly string[], b: readonly string[]): boolean {
  const shorter = Math.min(a.length, b.length)
  if (shorter === 0) return a.length === b.length
  const nearTop = (one: readonly string[], other: readonly string[]) =>
    other.slice(0, 3).includes(one[0] ?? '')
  return (nearTop(a, b) || nearTop(b, a)) && common(a, b) >= Math.ceil(shorter / 2)
}

/** Length of the longest common subsequence. */
function common(a: readonly string[], b: readonly string[]): number {
  let row = new Array<number>(b.length + 1).fill(0)
  for (const one of a) {
    const next = [0]
    for (const [index, other] of b.entries()) {
      const here = one === other ? (row[index] ?? 0) + 1 : Math.max(row[index + 1] ?? 0, next[index] ?? 0)
      next.push(here)
    }
    row = next
  }
  return row.at(-1) ?? 0
}

/** Of a function that the compiler has copied or split: `f.constprop.0`, `f.isra.0`, `f.cold`. */
export function withoutSuffix(name: string): string {
  return name.replace(/\..*$/, '')
}
