import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { git } from '../../../../harness/tree/git.ts'
import type { Tree } from '../../../../harness/tree/provide.ts'

/** A git work tree with a few files instead of a kernel's 86,000. */
export async function toyTree(directory: string, files: Record<string, string>): Promise<Tree> {
  const path = join(directory, 'source')
  for (const [name, text] of Object.entries(files)) {
    await mkdir(dirname(join(path, name)), { recursive: true })
    await writeFile(join(path, name), text)
  }
  await git(path, ['init', '--quiet', '--initial-branch=base'])
  await git(path, ['add', '--force', '.'])
  await git(path, ['commit', '--quiet', '--message=base'])
  const base = await git(path, ['rev-parse', 'HEAD'])
  const id = await git(path, ['rev-parse', 'HEAD^{tree}'])
  return { id, label: '6.12', version: '6.12.1-1', git: path, base, lock: 'tree-toy', objects: 'toy' }
}

/** A patch as git format-patch writes it, made by a change that `edit` does in the toy tree; the tree is put back. */
export async function toyPatch(tree: Tree, subject: string, edit: () => Promise<void>): Promise<string> {
  await edit()
  await git(tree.git, ['add', '--all', '--force', '.'])
  await git(tree.git, ['commit', '--quiet', `--message=${subject}`, '--author=A U Thor <author@example.org>'])
  const mail = await git(tree.git, ['format-patch', '--stdout', '-1', '-M'])
  await git(tree.git, ['reset', '--quiet', '--hard', 'HEAD~'])
  return `${mail}\n`
}
