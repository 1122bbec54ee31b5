/** By what a failure is known again on another kernel. */
import { z } from 'zod'
import { framesAfter, similarStacks, withoutSuffix } from '../../run/stack.ts'

export const signatureSchema = z.object({
  /**
   * `assertion`: the case's own words; `splat`: the kernel's complaint; `leak`: kmemleak's; `timeout`: the case or the guest
   * hangs; `lost`: the guest was lost without a word; `build` and `boot`: there is no kernel, or it does not come up.
   */
  kind: z.enum(['assertion', 'splat', 'leak', 'timeout', 'lost', 'build', 'boot']),
  /** One line, without what differs from build to build and from boot to boot. */
  text: z.string(),
  /** Functions of the kernel's stack, the innermost first, without offsets; empty when there is none. */
  frames: z.array(z.string()),
})

export type Signature = z.infer<typeof signatureSchema>

/**
 * Whether two failures are one bug. The texts are the same, and so are the stacks as far as another build may keep them: who
 * is inlined into whom changes with every configuration, and a stack that was guessed has functions too many.
 */
export function sameSignature(a: Signature, b: Signature): boolean {
  return a.kind === b.kind && a.text === b.text && similarStacks(a.frames, b.frames)
}

/**
 * Of a line of the kernel's log that reports a bug, such as `findSplat` finds.
 * @param logs where its stack may be, the best one first
 */
export function splatSignature(
  line: string,
  logs: readonly string[],
  kind: 'splat' | 'boot' = 'splat',
): Signature {
  return { kind, text: normaliseSplat(line), frames: framesAfter(line, logs) }
}

/** Of what somebody other than the kernel says: a case, the compiler, copylab. Its first line counts. */
export function wordsSignature(kind: Exclude<Signature['kind'], 'splat'>, words: string): Signature {
  const line = words.split('\n')[0] ?? ''
  return { kind, text: kind === 'build' ? normaliseCompiler(line) : normaliseWords(line), frames: [] }
}

/** Of a report of kmemleak: its first line, and who has allocated. */
export function leakSignature(report: string): Signature {
  const [, first = ''] = /^(?:kmemleak: )?(.*)/.exec(report) ?? []
  // Documentation/dev-tools/kmemleak.rst: below the heading come the functions that allocated.
  return { kind: 'leak', text: normaliseWords(first), frames: framesAfter('backtrace', [report]) }
}

/** `[   12.345678]`, with CONFIG_PRINTK_CALLER `[   T123]`, and before it the level where the guest has read its log. */
const stamp = /^\s*(?:<\d+>)?(?:\[ *\d+\.\d+\]\s*)?(?:\[ *[TC]\d+\]\s*)?/

/** A line of the kernel's log without where and when it was printed. */
export function withoutStamp(line: string): string {
  return line.replace(stamp, '').trimEnd()
}

function normaliseSplat(line: string): string {
  const text = withoutStamp(line)
  // `WARNING: CPU: 0 PID: 24 at kernel/exit.c:892 do_exit+0x6d/0x7f2`; since 7.0 the place and the function come first.
  const [, file, name] =
    /^WARNING: (?:CPU: \d+ PID: \d+ at )?(\S+?):\d+ (?:at )?([\w.]+)\+0x/.exec(text) ?? []
  if (file && name) return `WARNING: ${inTree(file)} ${withoutSuffix(name)}`
  return (
    text
      .replace(/^Oops: (?=\D)/, '')
      // `Oops: general protection fault: 0000 [#1] PREEMPT SMP KASAN`: how the kernel was configured.
      .replace(/(?:,?:? \d{4})? \[#\d+\].*$/, '')
      .replace(/(,? (?:probably )?for (?:non-canonical )?address|, address):? (?:0x)?[0-9a-f]+/, '')
      .replace(/([\w.]+)\+0x[0-9a-f]+\/0x[0-9a-f]+(?: \[\w+\])?/g, (_, one) => withoutSuffix(one))
      .replace(/\S+\.[chS]:\d+/g, (place) => inTree(place.replace(/:\d+$/, '')))
      .replace(/\b(kworker|ksoftirqd|migration|swapper|cpuhp|rcu\w*)\/[\w:.!-]*/g, '$1')
      // `kworker[59]`, `task dd:123 blocked`, `CPU#0 stuck for 26s! [dd:1]`, `on CPUs/tasks: { 0-...D }`
      .replace(/\[\d+\]|\[[^\]]*:\d+\]/g, '')
      .replace(/(task \S+?):\d+ /, '$1 ')
      .replace(/ \{.*$/, '')
      .replace(/CPU#\d+/g, 'CPU')
      .replace(/(\d+)(?= ?(?:s\b|seconds|ms\b|jiffies))/g, 'N')
      .replace(/\b(?:ffff[0-9a-f]{12}|0x[0-9a-f]{9,16}|[0-9a-f]{16})\b/g, 'ADDRESS')
      .replace(/\s+/g, ' ')
      .trim()
  )
}

/** Sizes, times and device names go; what is told by one digit stays, and so do statuses and the names of errors. */
function normaliseWords(line: string): string {
  return withoutStamp(line)
    .replace(/\b(?:0x)?(?=[0-9a-f]*\d)[0-9a-f]{12,}\b/g, 'HEX')
    .replace(/\b0x[0-9a-f]+\b/g, 'HEX')
    .replace(/\b(nvme)\d+(?:c[\d*]+)?(n\d+)?\b/g, (_, name, namespace) => name + (namespace ? 'n' : ''))
    .replace(/\b(sd)[a-z]{1,2}\b/g, '$1')
    .replace(/(no state=)[A-Z]\b/g, '$1')
    .replace(/(?<![\w.])\d+(?:\.\d+)?(?= ?(?:ms|s|us|ns)\b)/g, 'N')
    .replace(/(?<![\w.-]|(?:status|error|errno) )(?:[1-9]\d+(?:\.\d+)?|\d\.\d+)(?!\w)/g, 'N')
    .trim()
}

/** `/home/me/linux/block/bio.c:12:3: error: …` and `../block/bio.c:12:3: error: …` as `block/bio.c: error: …` */
export function normaliseCompiler(line: string): string {
  return line
    .replace(/^(\S+?):\d+(?::\d+)?: /, (_, path) => `${inTree(path)}: `)
    .replace(/(\S+)(\(\.[\w.]+)\+0x[0-9a-f]+\)/g, (_, path, section) => `${inTree(path)}${section})`)
    .replace(/\[\S*?([^/\s[]+\.\w+):\d+: /, '[$1: ')
    .replace(/^make\[\d+\]/, 'make')
    .replace(/[‘’]/g, "'")
    .trim()
}

/** From the tree's root on. */
function inTree(path: string): string {
  // Where copylab has its trees.
  const [, below] = /\/trees\/[^/]+\/source\/(.*)$/.exec(path) ?? []
  if (below) return below
  const top =
    /(?:^|\/)((?:arch|block|certs|crypto|drivers|fs|include|init|io_uring|ipc|kernel|lib|mm|net|rust|samples|scripts|security|sound|tools|usr|virt)\/.*)$/
  const [, inside = path] = top.exec(path) ?? []
  return inside
}
