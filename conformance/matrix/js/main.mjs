// The transfer manager of the JavaScript SDK (`lib-storage`) as its users call it. Prints what it saw.
import { createHash } from "node:crypto";
import { Readable } from "node:stream";
import { CopyObjectCommand, DeleteObjectsCommand, GetObjectCommand, HeadObjectCommand, paginateListObjectsV2, S3Client } from "@aws-sdk/client-s3";
import { Upload } from "@aws-sdk/lib-storage";

const Bucket = process.env.BUCKET;
const client = new S3Client({ endpoint: process.env.S3_ENDPOINT, forcePathStyle: true });
const say = (what, ...seen) => console.log(what, JSON.stringify(seen));
const body = Buffer.alloc((17 << 20) + 123, "a row of bytes that repeats ");

for (const size of [0, 1, 5 << 20, body.length]) {
  const Key = `js/${size}`;
  const whole = new Upload({ client, params: { Bucket, Key, Body: body.subarray(0, size), Metadata: { size: `${size}` } } });
  say("uploaded", size, (await whole.done()).ETag);
  const stream = new Upload({ client, params: { Bucket, Key: `${Key}-stream`, Body: Readable.from([body.subarray(0, size)]) } });
  say("streamed", size, (await stream.done()).ETag);
  const got = await client.send(new GetObjectCommand({ Bucket, Key }));
  say("downloaded", got.ContentLength, createHash("sha256").update(await got.Body.transformToByteArray()).digest("hex"));
  const head = await client.send(new HeadObjectCommand({ Bucket, Key, ChecksumMode: "ENABLED" }));
  say("head", head.ContentLength, head.Metadata);
  say("checksum", head.ChecksumCRC32 !== undefined, head.ChecksumType);
}
const copied = await client.send(new CopyObjectCommand({ Bucket, Key: "js/copy", CopySource: `${Bucket}/js/1` }));
say("copied", copied.CopyObjectResult.ETag);
const doomed = [];
for await (const page of paginateListObjectsV2({ client, pageSize: 3 }, { Bucket, Prefix: "js/" })) {
  // MinIO ends with an empty page where the last one was full.
  for (const { Key, Size, ETag } of page.Contents ?? []) {
    say("listed", Key, Size, ETag);
    doomed.push({ Key });
  }
}
const gone = await client.send(new DeleteObjectsCommand({ Bucket, Delete: { Objects: doomed } }));
say("deleted", gone.Deleted.length, (gone.Errors ?? []).length);
