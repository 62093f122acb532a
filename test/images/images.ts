// The images that whole-cluster tests run. All are busybox with different first commands, so each has sh, nc, wget,
// nslookup, tar (kubectl cp needs it), ip, httpd and the rest of busybox. One trap: Debian's `wget -T 3` crashes (busybox
// 1.35); write `timeout 3 wget` instead.

import { type BuiltImage, buildImage } from './build-image.ts';

const applets =
  '[ ash awk base64 basename cat chgrp chmod chown cmp cp cut date dd df diff dirname dmesg du echo egrep env expr ' +
  'false find fold free getopt grep gunzip gzip head hexdump hostname httpd id ifconfig ip kill killall less ln ls ' +
  'md5sum mkdir mkfifo mknod mktemp more mount mv nc netstat nice nl nproc nslookup od paste pgrep pidof ping ping6 ' +
  'printf ps pwd readlink realpath rev rm rmdir route sed seq sh sha1sum sha256sum sleep sort stat strings stty sync ' +
  'sysctl tac tail tar tee telnet test time timeout top touch tr traceroute true truncate tty umount uname uniq ' +
  'unlink unshare uptime usleep vi watch wc wget which who whoami xargs yes zcat';

const links = Object.fromEntries(applets.split(' ').map((applet) => [`/bin/${applet}`, 'busybox']));

/** A shell and its tools. Command: `sh`, which ends at once without a terminal; give it one like `sleep 1000`. */
export const busyboxImage = (name = 'wherry.test/busybox:1'): Promise<BuiltImage> =>
  buildImage({ name, packages: ['busybox-static'], config: { Cmd: ['sh'] }, links });

// The first process of a pod has no default signal handlers: without the trap a stop would take the whole grace period.
const serve = `#!/bin/sh
# Serves / (version and hostname), /hostname, /version, /healthz and /cgi-bin/env on $PORT (80).
root=$(mktemp -d)
mkdir "$root/cgi-bin"
hostname > "$root/hostname"
echo "$VERSION" > "$root/version"
echo ok > "$root/healthz"
echo "$VERSION $(hostname)" > "$root/index.html"
printf '#!/bin/sh\\nprintf "Content-Type: text/plain\\\\r\\\\n\\\\r\\\\n"\\nenv\\n' > "$root/cgi-bin/env"
chmod 755 "$root" "$root/cgi-bin" "$root/cgi-bin/env"
trap 'exit 0' TERM INT
httpd -f -v -p "\${PORT:-80}" -h "$root" &
echo "serving version $VERSION on port \${PORT:-80}"
wait
`;

/** A web server that says who it is: GET / answers `v1 <hostname>`. Stops on SIGTERM at once. */
export const webServerImage = (version = 'v1', name = `wherry.test/web:${version}`): Promise<BuiltImage> =>
  buildImage({
    name,
    packages: ['busybox-static'],
    config: {
      Entrypoint: ['/bin/serve'],
      Env: ['PATH=/usr/bin:/bin', `VERSION=${version}`],
      ExposedPorts: { '80/tcp': {} },
    },
    files: { '/bin/serve!': serve },
    links,
  });
