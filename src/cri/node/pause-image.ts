// The pause image, made here byte by byte: nothing is pulled to boot. Its one program is the first process of each pod:
// it holds the pod's namespaces, buries orphans where the process namespace is shared, and ends on SIGTERM or SIGINT.
//
//   block SIGINT, SIGTERM and SIGCHLD, so that they queue even for process 1, which has no default dispositions
//   for (;;) switch (rt_sigtimedwait(those)) {
//     case SIGCHLD: while (wait4(-1, NULL, WNOHANG, NULL) > 0);
//     case SIGINT, SIGTERM: exit(0);
//   }

import { createHash } from 'node:crypto';
import { writeTar } from './tar.ts';

export type Architecture = 'amd64' | 'arm64';

/** The name under which the image is imported and given to the runtime as its sandbox image. */
export const pauseImageName = 'wherry.local/pause:1';

const signalMask = (1 << 1) | (1 << 14) | (1 << 16); // SIGINT 2, SIGTERM 15, SIGCHLD 17

// Each line is one instruction; jumps count from the end of the instruction.
// biome-ignore format: a listing
const amd64Code = Uint8Array.from([
  0x68, signalMask & 255, (signalMask >> 8) & 255, signalMask >> 16, 0, // push mask
  0x31, 0xff,                         // xor edi, edi        SIG_BLOCK
  0x48, 0x89, 0xe6,                   // mov rsi, rsp
  0x31, 0xd2,                         // xor edx, edx
  0x6a, 0x08, 0x41, 0x5a,             // push 8; pop r10     size of the mask
  0xb8, 14, 0, 0, 0,                  // mov eax, rt_sigprocmask
  0x0f, 0x05,                         // syscall
  // wait (offset 23):
  0x48, 0x89, 0xe7,                   // mov rdi, rsp
  0x31, 0xf6,                         // xor esi, esi
  0x31, 0xd2,                         // xor edx, edx
  0x6a, 0x08, 0x41, 0x5a,             // push 8; pop r10
  0xb8, 128, 0, 0, 0,                 // mov eax, rt_sigtimedwait
  0x0f, 0x05,                         // syscall
  0x83, 0xf8, 17, 0x74, 19,           // cmp eax, SIGCHLD; je reap
  0x83, 0xf8, 2, 0x74, 5,             // cmp eax, SIGINT; je exit
  0x83, 0xf8, 15, 0x75, -33 & 255,    // cmp eax, SIGTERM; jne wait
  // exit (offset 56):
  0x31, 0xff,                         // xor edi, edi
  0xb8, 60, 0, 0, 0,                  // mov eax, exit
  0x0f, 0x05,                         // syscall
  // reap (offset 65):
  0x83, 0xcf, 0xff,                   // or edi, -1
  0x31, 0xf6,                         // xor esi, esi
  0xba, 1, 0, 0, 0,                   // mov edx, WNOHANG
  0x45, 0x31, 0xd2,                   // xor r10d, r10d
  0xb8, 61, 0, 0, 0,                  // mov eax, wait4
  0x0f, 0x05,                         // syscall
  0x85, 0xc0, 0x7f, -24 & 255,        // test eax, eax; jg reap
  0xeb, -68 & 255,                    // jmp wait
]);

const arm64Code = (() => {
  const move = (register: number, value: number) => (0xd2800000 | (value << 5) | register) >>> 0;
  const compareW0 = (value: number) => (0x7100001f | (value << 10)) >>> 0;
  const branchIf = (condition: 0 | 1 | 12, words: number) =>
    (0x54000000 | ((words & 0x7ffff) << 5) | condition) >>> 0;
  const [equal, notEqual, greater] = [0, 1, 12] as const;
  const syscall = 0xd4000001;
  // biome-ignore format: a listing; branches count words from the branch itself
  const words = [
    move(0, signalMask & 0xffff), 0xf2a00000 | ((signalMask >> 16) << 5), // x0 = mask
    0xf81f0fe0,                                                // str x0, [sp, #-16]!
    move(0, 0), 0x910003e1, move(2, 0), move(3, 8), move(8, 135), syscall, // rt_sigprocmask(SIG_BLOCK, sp, 0, 8)
    // wait (word 9):
    0x910003e0, move(1, 0), move(2, 0), move(3, 8), move(8, 137), syscall, // rt_sigtimedwait(sp, 0, 0, 8)
    compareW0(17), branchIf(equal, 8),                         // SIGCHLD: to word 24
    compareW0(2), branchIf(equal, 3),                          // SIGINT: to word 21
    compareW0(15), branchIf(notEqual, -11),                    // not SIGTERM: to word 9
    // exit (word 21):
    move(0, 0), move(8, 93), syscall,
    // reap (word 24):
    0x92800000, move(1, 0), move(2, 1), move(3, 0), move(8, 260), syscall, // wait4(-1, 0, WNOHANG, 0)
    compareW0(0), branchIf(greater, -7),                       // again: to word 24
    (0x14000000 | (-23 & 0x3ffffff)) >>> 0,                    // to word 9
  ];
  return new Uint8Array(Uint32Array.from(words).buffer);
})();

/** A static ELF executable: one header, one segment, the code behind them. */
export function pauseExecutable(architecture: Architecture): Uint8Array {
  const code = architecture === 'amd64' ? amd64Code : arm64Code;
  const machine = architecture === 'amd64' ? 62 : 183;
  const headers = 64 + 56;
  const base = 0x400000n;
  const file = Buffer.alloc(headers + code.length);
  file.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]); // ELF, 64 bits, little endian, version 1
  file.writeUInt16LE(2, 16); // executable
  file.writeUInt16LE(machine, 18);
  file.writeUInt32LE(1, 20);
  file.writeBigUInt64LE(base + BigInt(headers), 24); // entry
  file.writeBigUInt64LE(64n, 32); // program headers start here
  file.writeUInt16LE(64, 52);
  file.writeUInt16LE(56, 54);
  file.writeUInt16LE(1, 56); // one program header
  file.writeUInt32LE(1, 64); // load
  file.writeUInt32LE(5, 68); // read and execute
  file.writeBigUInt64LE(base, 80);
  file.writeBigUInt64LE(base, 88);
  file.writeBigUInt64LE(BigInt(file.length), 96);
  file.writeBigUInt64LE(BigInt(file.length), 104);
  file.writeBigUInt64LE(0x10000n, 112); // alignment: the largest page size there is
  file.set(code, headers);
  return file;
}

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

/** What a container image's configuration says to run it with. Names as in the OCI image specification. */
export interface ImageRunConfig {
  readonly Entrypoint?: readonly string[];
  readonly Cmd?: readonly string[];
  readonly Env?: readonly string[];
  readonly WorkingDir?: string;
  readonly User?: string;
  readonly ExposedPorts?: Readonly<Record<string, object>>;
}

/** A docker-archive (what `docker save` writes) with one image of one layer, as importable bytes. */
export function dockerArchive(image: {
  name: string;
  architecture: Architecture;
  layer: Uint8Array;
  config: ImageRunConfig;
}): Uint8Array {
  const { name, architecture, layer, config } = image;
  const imageConfig = Buffer.from(
    JSON.stringify({
      architecture,
      os: 'linux',
      created: '1970-01-01T00:00:00Z',
      config,
      rootfs: { type: 'layers', diff_ids: [`sha256:${sha256(layer)}`] },
      history: [{ created: '1970-01-01T00:00:00Z', created_by: 'wherry' }],
    }),
  );
  const configName = `${sha256(imageConfig)}.json`;
  const layerName = `${sha256(layer)}.tar`;
  const manifest = [{ Config: configName, RepoTags: [name], Layers: [layerName] }];
  return writeTar([
    { name: 'manifest.json', content: Buffer.from(JSON.stringify(manifest)) },
    { name: configName, content: imageConfig },
    { name: layerName, content: layer },
  ]);
}

/** The pause image for this machine's architecture (or another), as a docker-archive. About 10 KB. */
export function pauseImage(architecture: Architecture = hostArchitecture()): Uint8Array {
  const layer = writeTar([{ name: 'pause', content: pauseExecutable(architecture), mode: 0o755 }]);
  const config = { Entrypoint: ['/pause'], User: '65535:65535', WorkingDir: '/' };
  return dockerArchive({ name: pauseImageName, architecture, layer, config });
}

export function hostArchitecture(): Architecture {
  if (process.arch === 'x64') return 'amd64';
  if (process.arch === 'arm64') return 'arm64';
  throw new Error(`Containers run on x86-64 and arm64 only, and this machine is ${process.arch}.`);
}
