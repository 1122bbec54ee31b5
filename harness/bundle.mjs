// Turns harness/main.ts and all that it imports into a few plain files: Node.js then starts in a third of the time
// that loading some 400 modules one by one through a TypeScript loader takes.
import { createHash } from 'node:crypto'
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const store = join(root, 'node_modules', '.copylab')
/** A bundle that nobody started is kept this long: a copylab that runs may still load from it. */
const keepMs = 24 * 3600 * 1000

/** @returns the path of a module to import that runs the command line. It is made when a source has changed. */
export async function bundledCommandLine() {
  const directory = join(store, sourcesKey())
  const entry = join(directory, 'main.mjs')
  if (!existsSync(entry)) {
    removeOld()
    const temporary = `${directory}.new-${process.pid}`
    await bundle(temporary)
    try {
      renameSync(temporary, directory)
    } catch (error) {
      // Another copylab was quicker; its files are the same.
      if (error.code !== 'ENOTEMPTY' && error.code !== 'EEXIST') throw error
      rmSync(temporary, { recursive: true, force: true })
    }
  }
  // Its age is the time since it was last used.
  const now = new Date()
  utimesSync(directory, now, now)
  return pathToFileURL(entry).href
}

/** Changes when a source or an installed module does. */
function sourcesKey() {
  const hash = createHash('sha256').update(process.version)
  hash.update(readFileSync(join(root, 'package-lock.json')))
  for (const top of ['harness', 'qemu']) {
    for (const name of readdirSync(join(root, top), { recursive: true }).sort()) {
      if (!/\.(ts|mjs)$/.test(name)) continue
      const { mtimeMs, size } = statSync(join(root, top, name))
      hash.update(`${top}/${name} ${mtimeMs} ${size}\n`)
    }
  }
  return hash.digest('hex').slice(0, 16)
}

async function bundle(directory) {
  const { build } = await import('esbuild')
  mkdirSync(directory, { recursive: true })
  await build({
    absWorkingDir: root,
    entryPoints: ['harness/main.ts'],
    outdir: directory,
    outExtension: { '.js': '.mjs' },
    bundle: true,
    // Commands, and what only a cold run needs, stay apart and are loaded when they are imported.
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    sourcemap: true,
    sourcesContent: false,
    external: ['vitest', 'vite', 'esbuild'],
    // What CommonJS modules in the bundle call for Node.js's own modules.
    banner: {
      js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);",
    },
    plugins: [{ name: 'keep import.meta.url', setup: keepUrls }],
  })
}

/** Sources find their neighbours by import.meta.url: it has to go on naming the source. */
function keepUrls({ onLoad }) {
  onLoad({ filter: /\.ts$/ }, ({ path }) => ({
    loader: 'ts',
    contents: readFileSync(path, 'utf8').replaceAll(
      'import.meta.url',
      JSON.stringify(pathToFileURL(path).href),
    ),
  }))
}

function removeOld() {
  if (!existsSync(store)) return
  for (const name of readdirSync(store)) {
    const path = join(store, name)
    try {
      if (Date.now() - statSync(path).mtimeMs > keepMs) rmSync(path, { recursive: true, force: true })
    } catch (error) {
      // Another copylab is removing it, too.
      if (error.code !== 'ENOENT' && error.code !== 'ENOTEMPTY') throw error
    }
  }
}
