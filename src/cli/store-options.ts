// The options that say where a store is, as several commands have them.
import type { Command } from 'commander';

export function addStoreOptions(command: Command): Command {
  return command
    .option('--store <uri>', 'etcd://HOST:PORT[,...][/PREFIX] or etcds://, instead of the state directory')
    .option('--store-ca <file>', 'certificate of the authority that signed those of etcd')
    .option('--store-cert <file>', 'certificate of this program, for etcd')
    .option('--store-key <file>', 'its key')
    .option('--store-user <name>', 'user of etcd')
    .option('--store-password-file <file>', 'a file with the password of that user');
}
