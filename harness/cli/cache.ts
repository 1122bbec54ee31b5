import type { Command } from 'commander'
import { examples, type Start } from './help.ts'

export function addCacheCommands(program: Command, start: Start): void {
  const cache = program
    .command('cache')
    .description('what is kept: list, evict, verify, and carry kernels to other machines')
    .addHelpText(
      'after',
      examples(
        'copylab cache ls',
        'copylab cache limit 40G',
        'copylab cache prune --max-size 20G --dry-run',
        'copylab cache export kernels.tar.gz',
        'copylab cache import kernels.tar.gz',
      ),
    )
  const load = () => import('../commands/cache.ts')
  cache
    .command('ls')
    .description('kernels, trees and build directories, what was used last first')
    .option('--json', 'for programs')
    .action((options: { json?: boolean }) => start(async () => (await load()).cacheLs(options)))
  cache
    .command('prune')
    .description('evict what was used longest ago, and nothing that is in use')
    .option('--max-size <size>', 'what is to remain at most, such as 20G (default: the limit)')
    .option('--dry-run', 'only print what would go')
    .action((options: { maxSize?: string; dryRun?: boolean }) =>
      start(async (context) => (await load()).cachePrune(options, context)),
    )
  cache
    .command('limit')
    .description('show or set what every build keeps the cache below')
    .argument('[size]', 'such as 40G, or none')
    .action((size?: string) => start(async () => (await load()).cacheLimitCommand(size)))
  cache
    .command('verify')
    .description('check that kernels and trees are as they were made; status 3 if one is not')
    .option('--full', 'read every object of the trees, which takes minutes')
    .option('--remove', 'remove what is damaged: it is made again when it is needed')
    .action((options: { full?: boolean; remove?: boolean }) =>
      start(async (context) => (await load()).cacheVerify(options, context)),
    )
  cache
    .command('export')
    .description('write kernels to a file that another machine imports')
    .argument('<file>', 'a .tar, or a .tar.gz')
    .argument('[key...]', 'what the keys of the kernels begin with; all of them when none is named')
    .action((file: string, keys: string[]) =>
      start(async (context) => (await load()).cacheExport(file, keys, context)),
    )
  cache
    .command('import')
    .description('put the kernels of such a file into the cache')
    .argument('<file>')
    .action((file: string) => start(async (context) => (await load()).cacheImport(file, context)))
}
