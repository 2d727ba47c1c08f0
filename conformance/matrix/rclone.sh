#!/usr/bin/env bash
# rclone.sh RCLONE: rclone as its users call it: sync twice, check by download and by hash, copy inside the store. Prints what it saw.
set -euo pipefail
cd "$(mktemp -d -p "$HOME")"
rclone="$1"
export RCLONE_CONFIG=/dev/null RCLONE_CONFIG_VAULT_TYPE=s3 RCLONE_CONFIG_VAULT_PROVIDER=Other RCLONE_CONFIG_VAULT_ENDPOINT="$S3_ENDPOINT"
export RCLONE_CONFIG_VAULT_ACCESS_KEY_ID="$AWS_ACCESS_KEY_ID" RCLONE_CONFIG_VAULT_SECRET_ACCESS_KEY="$AWS_SECRET_ACCESS_KEY"
export RCLONE_CONFIG_VAULT_REGION="$AWS_REGION" RCLONE_S3_NO_CHECK_BUCKET=true RCLONE_S3_CHUNK_SIZE=5Mi RCLONE_S3_UPLOAD_CUTOFF=8Mi
if [ -n "${AWS_CA_BUNDLE:-}" ]; then
    export RCLONE_CA_CERT="$AWS_CA_BUNDLE"
fi

mkdir -p tree/deep/er
yes 'a row of bytes that repeats' | head -c 17825915 >tree/deep/er/large || [ -s tree/deep/er/large ]
printf x >'tree/one ü'
: >tree/empty

"$rclone" sync -v tree "vault:$BUCKET/tree" 2>log
echo "copied: $(grep -c ': Copied' log)"
"$rclone" sync -v tree "vault:$BUCKET/tree" 2>log
grep -q 'There was nothing to transfer' log
echo "copied again: $(grep -c ': Copied' log || true)"
"$rclone" check --download tree "vault:$BUCKET/tree" 2>&1 | grep -o '[0-9]* differences found'
"$rclone" check tree "vault:$BUCKET/tree" 2>&1 | grep -o '[0-9]* differences found'
"$rclone" copy "vault:$BUCKET/tree/deep" "vault:$BUCKET/other"
"$rclone" moveto "vault:$BUCKET/other/er/large" "vault:$BUCKET/other/moved"
"$rclone" lsf -R --files-only --format sph "vault:$BUCKET" | sort
"$rclone" sync "vault:$BUCKET/tree" back
diff -r tree back
"$rclone" purge "vault:$BUCKET/tree"
"$rclone" lsf -R "vault:$BUCKET" | sort
