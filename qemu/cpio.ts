import { open } from 'node:fs/promises'
import { dirname } from 'node:path'

/** What goes into an archive. `path` is absolute in the guest. */
export type Entry =
  | { path: string; kind: 'file'; source: string; mode: number }
  | { path: string; kind: 'text'; text: string; mode: number }
  | { path: string; kind: 'link'; target: string }
  | { path: string; kind: 'directory' }

/**
 * Writes a "newc" cpio archive as the kernel unpacks it (Documentation/driver-api/early-userspace/buffer-format.rst).
 * It is written here because Debian does not always have cpio(1), because that one stores the inode numbers and times
 * of the files, so that the same content would not give the same archive, and because no npm package that writes the
 * format is kept up. Parent directories are added; owner is root; times are 0.
 */
export async function writeCpio(file: string, entries: readonly Entry[]): Promise<void> {
  const output = await open(file, 'wx', 0o600)
  try {
    let inode = 0
    const member = async (path: string, mode: number, data: Buffer) => {
      const name = Buffer.from(`${path}\0`)
      inode += path === 'TRAILER!!!' ? 0 : 1
      const fields = [inode, mode, 0, 0, 1, 0, data.length, 0, 0, 0, 0, name.length, 0]
      const header = `070701${fields.map((field) => field.toString(16).padStart(8, '0')).join('')}`
      await output.write(Buffer.concat([padded(Buffer.concat([Buffer.from(header), name])), padded(data)]))
    }
    for (const entry of withParents(entries)) {
      const path = entry.path.slice(1)
      if (entry.kind === 'directory') await member(path, 0o040755, Buffer.alloc(0))
      else if (entry.kind === 'link') await member(path, 0o120777, Buffer.from(entry.target))
      else if (entry.kind === 'text') await member(path, 0o100000 | entry.mode, Buffer.from(entry.text))
      else await member(path, 0o100000 | entry.mode, await contents(entry.source))
    }
    await member('TRAILER!!!', 0, Buffer.alloc(0))
  } finally {
    await output.close()
  }
}

async function contents(path: string): Promise<Buffer> {
  const file = await open(path, 'r')
  try {
    return await file.readFile()
  } finally {
    await file.close()
  }
}

/** Each path once, the first entry winning, and each after its directory. */
function withParents(entries: readonly Entry[]): Entry[] {
  const all = new Map<string, Entry>()
  const add = (entry: Entry) => {
    if (all.has(entry.path)) return
    const parent = dirname(entry.path)
    if (parent !== '/') add({ path: parent, kind: 'directory' })
    all.set(entry.path, entry)
  }
  for (const entry of entries) add(entry)
  return [...all.values()]
}

function padded(data: Buffer): Buffer {
  return Buffer.concat([data, Buffer.alloc(-data.length & 3)])
}
