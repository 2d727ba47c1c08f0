// The transfer manager of the Go SDK as its users call it. Prints what it saw.
package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"log"
	"os"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/feature/s3/manager"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

func must[T any](value T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return value
}

func say(what string, seen any) { fmt.Printf("%s %s\n", what, must(json.Marshal(seen))) }

func main() {
	ctx := context.Background()
	bucket := aws.String(os.Getenv("BUCKET"))
	client := s3.NewFromConfig(must(config.LoadDefaultConfig(ctx)), func(o *s3.Options) {
		o.BaseEndpoint = aws.String(os.Getenv("S3_ENDPOINT"))
		o.UsePathStyle = true
	})
	body := make([]byte, 17<<20+123)
	for i := range body {
		body[i] = byte(i * i >> 7)
	}
	uploader := manager.NewUploader(client)
	for _, size := range []int{0, 1, 5 << 20, len(body)} {
		key := aws.String(fmt.Sprintf("go/%d", size))
		put := must(uploader.Upload(ctx, &s3.PutObjectInput{Bucket: bucket, Key: key, Body: bytes.NewReader(body[:size]), Metadata: map[string]string{"size": fmt.Sprint(size)}}))
		say("uploaded", []any{size, aws.ToString(put.ETag)})
		got := manager.NewWriteAtBuffer(nil)
		read := must(manager.NewDownloader(client).Download(ctx, got, &s3.GetObjectInput{Bucket: bucket, Key: key}))
		say("downloaded", []any{read, fmt.Sprintf("%x", sha256.Sum256(got.Bytes()))})
		head := must(client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: bucket, Key: key, ChecksumMode: types.ChecksumModeEnabled}))
		say("head", []any{head.ContentLength, head.Metadata})
		say("checksum", []any{head.ChecksumCRC32 != nil, head.ChecksumType})
	}
	copied := must(client.CopyObject(ctx, &s3.CopyObjectInput{Bucket: bucket, Key: aws.String("go/copy"), CopySource: aws.String(*bucket + "/go/1")}))
	say("copied", aws.ToString(copied.CopyObjectResult.ETag))
	pages := s3.NewListObjectsV2Paginator(client, &s3.ListObjectsV2Input{Bucket: bucket, Prefix: aws.String("go/"), MaxKeys: aws.Int32(2)})
	var doomed []types.ObjectIdentifier
	for pages.HasMorePages() {
		for _, object := range must(pages.NextPage(ctx)).Contents {
			say("listed", []any{*object.Key, *object.Size, *object.ETag})
			doomed = append(doomed, types.ObjectIdentifier{Key: object.Key})
		}
	}
	gone := must(client.DeleteObjects(ctx, &s3.DeleteObjectsInput{Bucket: bucket, Delete: &types.Delete{Objects: doomed}}))
	say("deleted", []int{len(gone.Deleted), len(gone.Errors)})
}
