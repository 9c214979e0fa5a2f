"""Restore a snapshot of dxf from an OCI image layout: python3 snapshot-reader.py LAYOUT ALIAS FOLDER|FILE."""
import base64, hashlib, json, os, subprocess, sys


def blob(digest):
    """Return the content of a blob, verified."""
    with open(os.path.join(layout, 'blobs', *digest.split(':')), 'rb') as file:
        content = file.read()
    assert hashlib.sha256(content).hexdigest() == digest.split(':')[1], digest
    return content


def unpacked(frame):
    """Return what a frame holds."""
    return subprocess.run(['zstd', '-dcq'], input=frame, stdout=subprocess.PIPE, check=True).stdout


def name(entry, key):
    """Return a path as bytes."""
    return base64.b64decode(entry[key + '64']) if key + '64' in entry else entry[key].encode()


def content_of(chunk):
    """Return what a chunk holds, verified."""
    pack, offset, length, size, digest = chunk
    if pack == -1:
        return bytes(size)
    stored = packs[pack][offset:offset + length]
    content = unpacked(stored) if length < size else stored
    assert hashlib.sha256(content).hexdigest() == digest, digest
    return content


layout, alias, folder = sys.argv[1:]
root = os.fsencode(os.path.realpath(folder))
with open(os.path.join(layout, 'index.json'), encoding='utf-8') as names:
    manifest = next(entry['digest'] for entry in json.load(names)['manifests']
                    if entry.get('annotations', {}).get('org.opencontainers.image.ref.name') == alias)
header, *entries = map(json.loads, unpacked(blob(json.loads(blob(manifest))['layers'][0]['digest'])).splitlines())
assert header['snapshot'] == 1
packs = [blob(digest) for digest in header['packs']]
header['source'] == 'stream' or os.makedirs(root)
for entry in entries:
    path = os.path.join(root, name(entry, 'path')).rstrip(b'/')  # that of a stream is empty
    assert b'..' not in path.split(b'/') and os.path.realpath(path) == path, path
    if entry['type'] == 'folder':
        os.mkdir(path)
    elif entry['type'] == 'file':
        with open(path, 'xb') as file:
            file.writelines(map(content_of, entry['chunks']))
    elif entry['type'] == 'hardlink':
        os.link(os.path.join(root, name(entry, 'target')), path)
    else:
        os.symlink(name(entry, 'target'), path)
for entry in reversed([entry for entry in entries if entry['type'] in ('file', 'folder')]):
    path = os.path.join(root, name(entry, 'path')).rstrip(b'/')
    os.chmod(path, entry['mode'] & 0o777)
    seconds, fraction = entry['mtime'].lstrip('-').split('.')
    mtime = (-1 if entry['mtime'].startswith('-') else 1) * int(seconds + fraction.ljust(9, '0'))
    os.utime(path, ns=(mtime, mtime))
