#!/usr/bin/env bash
# aws.sh AWS: aws-cli as its users call it: sync both ways, copy, list. Prints what it saw.
set -euo pipefail
cd "$(mktemp -d -p "$HOME")"
export AWS_ENDPOINT_URL="$S3_ENDPOINT"
aws="$1"

mkdir -p tree/sub
yes 'a row of bytes that repeats' | head -c 17825915 >tree/large || [ -s tree/large ]
printf x >'tree/sub/one ü'
: >empty

"$aws" s3 sync --no-progress tree "s3://$BUCKET/tree" | sort
echo "again: $("$aws" s3 sync --no-progress tree "s3://$BUCKET/tree")"
"$aws" s3 cp --no-progress "s3://$BUCKET/tree/large" - | sha256sum
"$aws" s3 sync --no-progress "s3://$BUCKET/tree" back | sort
diff -r tree back
# On its own: where MinIO answers an empty body at once, instead of telling the client to go on, the client's other connections stall.
"$aws" s3 cp --no-progress empty "s3://$BUCKET/empty"
"$aws" s3 cp --no-progress "s3://$BUCKET/tree/large" "s3://$BUCKET/copy"
"$aws" s3api list-objects-v2 --bucket "$BUCKET" --query 'Contents[?Key!=`copy`].[Key,Size,ETag]' --output text

# Over https this client sends its checksum behind a body in chunks, over http in a header.
"$aws" s3api put-object --bucket "$BUCKET" --key put --body 'tree/sub/one ü' --debug --query ETag 2>debug
case "$S3_ENDPOINT" in
    https:*) grep -qi "Sending http request.*x-amz-trailer.*x-amz-checksum-crc32" debug ;;
    *) grep -qi "Sending http request.*x-amz-checksum-crc32" debug ;;
esac || { echo 'this aws-cli has other habits' >&2; exit 1; }

"$aws" s3 rm --recursive "s3://$BUCKET/" | sort
