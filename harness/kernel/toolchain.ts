import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { Failure } from '../failure.ts'
import { requirePrograms } from '../programs.ts'

const run = promisify(execFile)

/** First lines of what the compiler and the linker say of themselves; part of a kernel's address. */
export async function compilerVersion(): Promise<string> {
  requirePrograms(['gcc', 'ld'])
  const versions = await Promise.all(['gcc', 'ld'].map(versionOf))
  return versions.join('; ')
}

async function versionOf(program: string): Promise<string> {
  try {
    const { stdout } = await run(program, ['--version'], { env: { ...process.env, LC_ALL: 'C' } })
    return stdout.split('\n', 1)[0] ?? ''
  } catch (cause) {
    throw new Failure('infra', `cannot run ${program}: ${(cause as Error).message}`, {
      remedy: 'apt-get install gcc binutils',
      cause,
    })
  }
}

/** ccache is used where it is installed. */
export async function hasCcache(): Promise<boolean> {
  return run('ccache', ['--version']).then(
    () => true,
    () => false,
  )
}

/** Settings of the user's shell that would change what kbuild does, or in which language the compiler speaks. */
const kbuildInputs =
  /^(ARCH|SRCARCH|CROSS_COMPILE|LLVM|LLVM_IAS|O|V|W|C|CF|M|MO|CC|LD|HOSTCC|MAKEFLAGS|MFLAGS|MAKELEVEL|MAKEFILES|LOCALVERSION|LDFLAGS_MODULE|AFLAGS_\w+|CFLAGS_\w+|KCFLAGS|KAFLAGS|KCPPFLAGS|KRUSTFLAGS|KBUILD_\w+|KCONFIG_\w+|INSTALL_\w+|GREP_OPTIONS|GCC_\w+|CPATH|C_INCLUDE_PATH|LIBRARY_PATH|LANGUAGE|LC_\w+)$/

/**
 * The environment for make: the user's without what kbuild and gcc read from it, and with ccache set up.
 * @param base directory that holds the sources and the build; paths below it do not count for ccache.
 */
export function buildEnvironment(base: string): NodeJS.ProcessEnv {
  const inherited = Object.entries(process.env).filter(([name]) => !kbuildInputs.test(name))
  return {
    ...Object.fromEntries(inherited),
    LC_ALL: 'C',
    // The kernel's Makefile takes LC_ALL away again.
    LANG: 'C.UTF-8',
    CCACHE_BASEDIR: base,
    // The compiler's own list of headers instead of a preprocessor run of every file: a cold build took 16 % longer
    // than without ccache; with the preprocessor it took more than that.
    CCACHE_DEPEND: '1',
    CCACHE_NOHASHDIR: '1',
    // A checkout gives headers new times; what counts is what is in them.
    CCACHE_SLOPPINESS: 'include_file_mtime,include_file_ctime',
  }
}

/** Variables for make's command line that keep time, user and host out of the image. */
export const reproducible = [
  'KBUILD_BUILD_TIMESTAMP=2000-01-01 00:00:00 +0000',
  'KBUILD_BUILD_USER=copylab',
  'KBUILD_BUILD_HOST=copylab',
  'KBUILD_BUILD_VERSION=1',
  // Set, though empty: kbuild else asks git and appends a `+`.
  'LOCALVERSION=',
]
