import { access, mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Failure } from '../failure.ts'
import { type AptOptions, type AptResult, aptErrors, aptGet } from './apt.ts'

/** Debian's own keys. apt takes nothing from a suite that they have not signed, whoever the mirror is. */
const keyring = '/usr/share/keyrings/debian-archive-keyring.gpg'

export interface ListOptions extends Omit<AptOptions, 'directory'> {
  /** Directory for the lists, created. The caller keeps others out of it. */
  aptState: string
}

/**
 * Reads the package lists of suites of Debian's archive, which the machine's apt sources need not name, into an apt
 * state of their own: without root, and the machine's own apt state stays as it is. The mirror is the machine's.
 * @param suites the first is preferred
 * @returns settings that make apt-get see these suites and nothing else
 * @throws Failure('infra') when there is no mirror that has them
 */
export async function openSuites(suites: readonly string[], options: ListOptions): Promise<string[]> {
  const { aptState } = options
  await access(keyring).catch((cause) => {
    throw new Failure('infra', `cannot check what Debian has signed: there is no ${keyring}`, {
      remedy: 'apt-get install debian-archive-keyring',
      cause,
    })
  })
  const sources = join(aptState, 'sources.list')
  const settings = [
    ...(await privateState(aptState)),
    `Dir::Etc::SourceList=${sources}`,
    'Dir::Etc::SourceParts=/dev/null',
    // Pins are for what is to be installed here.
    'Dir::Etc::Preferences=/dev/null',
    'Dir::Etc::PreferencesParts=/dev/null',
    `APT::Default-Release=${suites[0]}`,
    // Whatever the machine's own settings allow.
    'APT::Get::AllowUnauthenticated=false',
    'Acquire::AllowInsecureRepositories=false',
    'Acquire::AllowDowngradeToInsecureRepositories=false',
    'Acquire::AllowWeakRepositories=false',
    // Old lists would name packages that are gone.
    'APT::Update::Error-Mode=any',
  ]
  const apt = { ...options, directory: aptState }
  const refused: AptResult[] = []
  for (const mirror of await mirrors(apt)) {
    const lines = suites.map(
      (suite) => `deb [target=Packages signed-by=${keyring}] ${mirror} ${suite} main\n`,
    )
    await writeFile(sources, lines.join(''))
    const update = await aptGet(['update'], settings, apt)
    if (update.exitCode === 0) return settings
    refused.push(update)
  }
  const which = suites.length > 1 ? `suites ${suites.join(' and ')}` : `suite ${suites[0]}`
  const last = refused.at(-1)
  if (!last) {
    throw new Failure('infra', `cannot read Debian's ${which}: the machine's apt sources name no archive`, {
      remedy: "add a Debian mirror to apt's sources: copylab takes the mirror from there",
    })
  }
  throw new Failure('infra', `cannot read Debian's ${which}: ${aptErrors(...refused)}`, {
    command: last.escapedCommand,
    remedy: `check the network, that apt's sources name a Debian mirror, and that it has the ${which} of copylab.yaml`,
  })
}

/**
 * Addresses of Debian's archive in the machine's apt sources. Where the lists were never read nobody knows which one
 * that is: then all that are named, in their order, and the signature decides.
 */
async function mirrors(options: AptOptions): Promise<string[]> {
  const ask = async (...how: string[]) => {
    const format = 'mirror $(REPO_URI) $(ORIGIN) $(LABEL)'
    const args = ['indextargets', ...how, '--format', format, 'Created-By: Packages']
    const { stdout } = await aptGet(args, [], options)
    return [...stdout.matchAll(/^mirror (\S+) (.*)$/gm)].map(([, address = '', label]) => ({
      address,
      label,
    }))
  }
  const known = (await ask()).filter(({ label }) => label === 'Debian Debian')
  const all = known.length ? known : await ask('--no-release-info')
  return [...new Set(all.map(({ address }) => address))]
}

/** Reads the lists of the machine's own apt sources into `aptState`, and returns the settings that use them. */
export async function readOwnLists(options: ListOptions): Promise<{ settings: string[]; update: AptResult }> {
  const settings = await privateState(options.aptState)
  const update = await aptGet(['update'], settings, { ...options, directory: options.aptState })
  return { settings, update }
}

/** apt's own layout, below a directory that needs no root. */
async function privateState(directory: string): Promise<string[]> {
  const [lists, cache] = [join(directory, 'lists'), join(directory, 'cache')]
  await mkdir(join(lists, 'partial'), { recursive: true, mode: 0o700 })
  await mkdir(join(cache, 'archives', 'partial'), { recursive: true, mode: 0o700 })
  return [`Dir::State::Lists=${lists}`, `Dir::Cache=${cache}`]
}
