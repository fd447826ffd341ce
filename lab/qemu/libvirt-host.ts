// A libvirtd as on a host of its own: in namespaces (mount, process, UTS, optionally network) in which its directories are empty. A daemon
// that ends is started again, as systemd does. All of its guests end with `dispose`. Needs root.

import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { Command, inNamespace } from '../command.js';
import { missingQemu } from './bare-machine.js';

/** libvirtd asks each QEMU of the host for its capabilities, which takes seconds. */
const PATIENCE_MS = 120_000;
const NAMESPACES = ['--mount', '--pid', '--uts'];
const DIRECTORIES = '/etc/libvirt /var/lib/libvirt /run/libvirt /var/log/libvirt /var/cache/libvirt';
const QEMU_CONF = `stdio_handler = "file"
user = "root"
group = "root"
dynamic_ownership = 0
security_driver = "none"
namespaces = []
cgroup_controllers = []
`;

/** The reason why libvirt cannot be run here; false when it can. */
export function missingLibvirt(): string | false {
  for (const program of ['libvirtd', 'virsh', 'nsenter']) {
    if (spawnSync(program, ['--version']).error !== undefined) return `${program} is not installed`;
  }
  if (spawnSync('unshare', [...NAMESPACES, '--fork', 'true']).status !== 0) return 'unshare is not permitted';
  return missingQemu();
}

export interface LibvirtHostOptions {
  /** The host's name, unique in the directory. */
  readonly name: string;
  /** A directory that all hosts see, inside `root`. */
  readonly directory: string;
  /** Root directory of another system with libvirt and QEMU; default `/`. */
  readonly root?: string | undefined;
  /** Network namespace. */
  readonly namespace?: string | undefined;
}

export interface Said {
  readonly status: number | null;
  readonly said: string;
}

export class LibvirtHost {
  readonly name: string;
  /** For virsh on this host. */
  readonly uri: string;
  /** For another daemon (`--p2p`). */
  readonly peerUri: string;
  readonly #options: LibvirtHostOptions;
  readonly #root: string;
  readonly #daemon: Command;
  #init = '';

  private constructor(options: LibvirtHostOptions) {
    const { name, directory, root = '/', namespace } = options;
    this.name = name;
    this.#options = options;
    this.#root = root === '/' ? '' : root;
    const inside = (path: string): string => join(directory.slice(this.#root.length), path);
    const at = (path: string): string => join(directory, path);
    mkdirSync(at(name));
    this.uri = `qemu+unix:///system?socket=${at(`${name}/libvirt-sock`)}`;
    this.peerUri = `qemu+unix:///system?socket=${inside(`${name}/libvirt-sock`)}`;
    writeFileSync(at(`${name}.qemu.conf`), QEMU_CONF);
    writeFileSync(
      at(`${name}.libvirtd.conf`),
      [
        ...['listen_tls = 0', 'auth_unix_rw = "none"', `unix_sock_dir = "${inside(name)}"`],
        ...[`host_uuid = "${crypto.randomUUID()}"`, `log_outputs = "3:file:${inside(`${name}.log`)}"`, ''],
      ].join('\n'),
    );
    const daemon = `libvirtd --config ${inside(`${name}.libvirtd.conf`)} --pid-file ${inside(`${name}.pid`)}`;
    const script = [
      `hostname ${name}`,
      `for each in ${DIRECTORIES}; do mkdir -p ${this.#root}$each; mount -t tmpfs none ${this.#root}$each; done`,
      `cp ${at(`${name}.qemu.conf`)} ${this.#root}/etc/libvirt/qemu.conf`,
      this.#root === ''
        ? ''
        : `mount -t proc none ${this.#root}/proc; mount --rbind /dev ${this.#root}/dev; mount --rbind /sys ${this.#root}/sys`,
      // The shell is process 1, and reaps the guests.
      `while :; do ${this.#root === '' ? '' : `chroot ${this.#root} `}${daemon}; sleep 0.3; done`,
    ];
    const unshare = ['unshare', ...NAMESPACES, '--fork', '--kill-child', '--mount-proc'];
    this.#daemon = new Command(inNamespace(namespace, [...unshare, 'sh', '-c', script.join('\n')]));
  }

  static async start(options: LibvirtHostOptions): Promise<LibvirtHost> {
    const host = new LibvirtHost(options);
    host.#init = await host.#until('process 1', () => {
      const { pid } = host.#daemon.process;
      return readFileSync(`/proc/${pid ?? 0}/task/${pid ?? 0}/children`, 'utf8').trim();
    });
    await host.ready();
    return host;
  }

  /** Resolves when the daemon answers. */
  async ready(): Promise<void> {
    await this.#until('libvirtd', () => this.virsh('list').status === 0);
  }

  async #until<T>(what: string, found: () => T): Promise<T> {
    const end = performance.now() + PATIENCE_MS;
    for (;;) {
      const value = found();
      if (value) return value;
      if (performance.now() > end)
        throw new Error(`${this.name}: ${what} has not started: ${this.#daemon.output}`);
      await sleep(200);
    }
  }

  /** Path of a file of this host as this process sees it. */
  path(inside: string): string {
    return `/proc/${this.#init}/root${this.#root}${inside}`;
  }

  /** A file of this host as a command of {@link within} sees it. */
  within(path: string): string {
    return `${this.#root}${path}`;
  }

  /** The command that runs `command` on this host, with the programs of the outer system. */
  command(command: readonly string[]): string[] {
    const net = this.#options.namespace === undefined ? [] : ['--net'];
    return ['nsenter', '--target', this.#init, '--mount', ...net, ...command];
  }

  virsh(...words: readonly string[]): Said {
    const { status, stdout, stderr } = spawnSync('virsh', ['-q', '-c', this.uri, ...words], {
      encoding: 'utf8',
      timeout: PATIENCE_MS,
    });
    return { status, said: (stdout + stderr).trim() };
  }

  /** The guest's state; undefined where the host does not know it. */
  state(guest: string): string | undefined {
    const { status, said } = this.virsh('domstate', guest);
    return status === 0 ? said : undefined;
  }

  /** Kills the daemon. It starts again. */
  kill(): void {
    const file = join(this.#options.directory, `${this.name}.pid`);
    const pid = existsSync(file) ? readFileSync(file, 'utf8').trim() : '';
    spawnSync('nsenter', ['--target', this.#init, '--mount', '--pid', 'kill', '-9', pid]);
  }

  async dispose(): Promise<void> {
    this.#daemon.process.kill('SIGKILL');
    await this.#daemon.ended.catch(() => undefined);
  }
}
