/** What of a series' user interface can be told from its headers. They are read as text; nothing of a series is run. */
import { type GitOptions, tryGit } from '../tree/git.ts'
import type { Tree } from '../tree/provide.ts'
import type { Abi } from './profile.ts'

const header = 'include/uapi/linux/fs.h'

/** The ioctls as the guest's program makes them, see tests/guest/blkcopy.c: other arguments would be another call. */
export const layouts: Record<Exclude<Abi, 'copy_file_range'>, { define: string; fields: string }> = {
  BLKCOPY: {
    define: '_IOWR(0x12,150,struct blk_copy)',
    fields:
      '__u64 src_offset;__u64 dst_offset;__u64 len;__s32 src_fd;__u32 flags;__u64 copied;__u64 offloaded;__u64 reserved[2];',
  },
  BLKCOPYV: {
    define: '_IOWR(0x12,151,struct blk_copy_vec)',
    fields:
      '__u64 ranges;__u32 nr_ranges;__s32 src_fd;__u64 dst_offset;__u32 flags;__u32 reserved0;__u64 copied;__u64 offloaded;__u64 reserved[2];',
  },
}

export interface FoundAbi {
  /** Calls that are in the header just as copylab makes them. */
  known: Abi[]
  /** Names of other ioctls that seem to copy, which copylab cannot make. */
  foreign: string[]
}

/** @param text of a C header */
export function abisIn(text: string): FoundAbi {
  const code = text.replace(/\/\*[\s\S]*?\*\//g, ' ').replace(/\\\n/g, ' ')
  const defines = [
    ...code.matchAll(/^[ \t]*#[ \t]*define[ \t]+(\w*(?:COPY|CPY)\w*)[ \t]+(_IO[WR]*[ \t]*\(.*\))/gm),
  ]
  const known: Abi[] = []
  const foreign: string[] = []
  for (const [, name = '', value = ''] of defines) {
    const layout = Object.hasOwn(layouts, name) ? layouts[name as keyof typeof layouts] : undefined
    const struct = /struct (\w+)/.exec(value)?.[1]
    const same = layout && compact(value) === layout.define && fieldsOf(code, struct) === layout.fields
    if (same) known.push(name as Abi)
    else foreign.push(name)
  }
  return { known, foreign }
}

/** `__u64 a;__u32 b;`; undefined: there is no such structure. */
export function fieldsOf(code: string, struct: string | undefined): string | undefined {
  const body = new RegExp(`^struct ${struct} \\{([^}]*)\\}`, 'm').exec(code)?.[1]
  return body === undefined ? undefined : compact(body)
}

function compact(code: string): string {
  return code
    .replace(/\s+/g, ' ')
    .replace(/ ?([;,(){}]) ?/g, '$1')
    .trim()
}

/** What the header has at `commit` and has not at the tree's base. */
export async function detectAbi(tree: Tree, commit: string, options: GitOptions = {}): Promise<FoundAbi> {
  const [before, after] = await Promise.all(
    [tree.base, commit].map(async (at) => {
      const { status, stdout } = await tryGit(tree.git, ['show', `${at}:${header}`], options)
      return abisIn(status === 0 ? stdout : '')
    }),
  )
  return {
    known: after?.known.filter((name) => !before?.known.includes(name)) ?? [],
    foreign: after?.foreign.filter((name) => !before?.foreign.includes(name)) ?? [],
  }
}

/** For somebody whose series has no profile: what copylab makes of it, and what to write. */
export function describeAbi(series: string, { known, foreign }: FoundAbi): string {
  const without = `series ${series} has no profile, so that no copies are tested`
  if (known.length) {
    const abi = known.map((name) => `${name}: true`).join(', ')
    return `${without}; ${header} has ${known.join(' and ')} as copylab calls it: write "abi: { ${abi} }" and what is offloaded to a file for --profile`
  }
  if (foreign.length) return `${without}; ${header} has ${foreign.join(', ')}, which copylab cannot call`
  return `${without}; ${header} has no new ioctl that copies, and whether copy_file_range does cannot be told from there`
}
