import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.HexFormat;
import java.util.Map;
import software.amazon.awssdk.services.s3.S3AsyncClient;
import software.amazon.awssdk.services.s3.model.ChecksumMode;
import software.amazon.awssdk.services.s3.model.Delete;
import software.amazon.awssdk.services.s3.model.ObjectIdentifier;
import software.amazon.awssdk.transfer.s3.S3TransferManager;

/** The transfer manager of the Java SDK as its users call it. Prints what it saw. */
public class Main {
    public static void main(String[] args) throws Exception {
        String bucket = System.getenv("BUCKET");
        try (S3AsyncClient client = S3AsyncClient.builder()
                        .endpointOverride(URI.create(System.getenv("S3_ENDPOINT")))
                        .forcePathStyle(true)
                        .multipartEnabled(true)
                        .build();
                S3TransferManager transfers = S3TransferManager.builder().s3Client(client).build()) {
            for (int size : new int[] {0, 1, 5 << 20, (17 << 20) + 123}) {
                Path sent = Files.createTempFile("matrix", null), got = Files.createTempFile("matrix", null);
                byte[] body = new byte[size];
                for (int i = 0; i < size; i++) body[i] = (byte) (i * i >> 7);
                Files.write(sent, body);
                String key = "java/" + size;
                var put = transfers.uploadFile(r -> r.source(sent)
                                .putObjectRequest(p -> p.bucket(bucket).key(key).metadata(Map.of("size", "" + size))))
                        .completionFuture().join();
                System.out.println("uploaded " + size + " " + put.response().eTag());
                Files.delete(got);
                transfers.downloadFile(r -> r.destination(got).getObjectRequest(g -> g.bucket(bucket).key(key)))
                        .completionFuture().join();
                byte[] digest = MessageDigest.getInstance("SHA-256").digest(Files.readAllBytes(got));
                System.out.println("downloaded " + Files.size(got) + " " + HexFormat.of().formatHex(digest));
                var head = client.headObject(h -> h.bucket(bucket).key(key).checksumMode(ChecksumMode.ENABLED)).join();
                System.out.println("head " + head.contentLength() + " " + head.metadata());
                // Garage leaves out the type of a checksum that came behind the body.
                System.out.println("checksum " + (head.checksumCRC32() != null));
                Files.delete(sent);
                Files.delete(got);
            }
            var copied = transfers.copy(r -> r.copyObjectRequest(c -> c.sourceBucket(bucket).sourceKey("java/1")
                    .destinationBucket(bucket).destinationKey("java/copy"))).completionFuture().join();
            System.out.println("copied " + copied.response().copyObjectResult().eTag());
            var listed = client.listObjectsV2(l -> l.bucket(bucket).prefix("java/")).join().contents();
            for (var object : listed) System.out.println("listed " + object.key() + " " + object.size() + " " + object.eTag());
            var doomed = listed.stream().map(o -> ObjectIdentifier.builder().key(o.key()).build()).toList();
            var gone = client.deleteObjects(d -> d.bucket(bucket).delete(Delete.builder().objects(doomed).build())).join();
            System.out.println("deleted " + gone.deleted().size() + " " + gone.errors().size());
        }
    }
}
