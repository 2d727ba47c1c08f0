"""The object stores of `servers.py` with several users, and Ceph RGW.

s3-tests speaks as *main* (who owns what a test makes), *alt* (somebody else) and *tenant* (somebody of another tenant). Only RGW
has all three. MinIO's users share one name space without owners; Garage's keys see only the buckets they made.
"""

from __future__ import annotations

import base64
import json
import os
import re
import secrets
import signal
import subprocess
import time
import urllib.error
import urllib.request
import uuid
from dataclasses import dataclass, field
from pathlib import Path

from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.pbkdf2 import PBKDF2HMAC

from certificates import Authority
from servers import REGION, Endpoint, Garage, Gateway, Minio, Server, free_port, http_status


@dataclass(frozen=True)
class User:
    """A user of the object store, as s3-tests' configuration describes one."""

    access_key: str
    secret_key: str = field(repr=False)
    user_id: str = ""
    display_name: str = ""
    email: str = ""
    tenant: str = ""


@dataclass(frozen=True)
class Users:
    main: User
    alt: User
    tenant: User
    iam: User
    api_name: str = REGION


class MinioWithUsers(Minio):
    """MinIO with two more users, who may do all that S3 can, as no user of MinIO owns anything."""

    # The owner that MinIO names in every answer.
    OWNER = ("02d6176db174dc93cb1b899f7c6078f08654445fe8cf1b6ce98d8855f66bdbf4", "minio")

    def start(self, within: float = 30.0) -> None:
        super().start(within)
        made = {name: User(f"{name}user", f"{name}-user-secret", *self.OWNER, f"{name}@example.com") for name in ("main", "alt", "tenant")}
        for user in made.values():
            self._admin(
                f"add-user?accessKey={user.access_key}",
                self._sealed(json.dumps({"secretKey": user.secret_key, "status": "enabled"}).encode()),
            )
            self.allow(user, "consoleAdmin", within)
        self.users = Users(**made, iam=made["main"])

    def allow(self, user: User, policy: str, within: float = 0.0) -> None:
        """Gives the user this policy alone. MinIO answers some time before it has read its own policies: so many seconds it may take."""
        until = time.monotonic() + within
        while True:
            try:
                return self._admin(f"set-user-or-group-policy?isGroup=false&policyName={policy}&userOrGroup={user.access_key}", b"")
            except RuntimeError as refused:
                if "XMinioAdminNoSuchPolicy" not in str(refused) or time.monotonic() > until:
                    raise
                time.sleep(0.1)

    def environment(self) -> dict[str, str]:
        # A key of its own, or every test of server-side encryption fails here already.
        return super().environment() | {"MINIO_KMS_SECRET_KEY": f"testkey-1:{base64.b64encode(bytes(32)).decode()}"}

    def _admin(self, call: str, body: bytes) -> None:
        request = AWSRequest("PUT", f"{self.endpoint.url}/minio/admin/v3/{call}", data=body, headers={})
        S3SigV4Auth(Credentials(self.endpoint.access_key, self.endpoint.secret_key), "s3", REGION).add_auth(request)
        prepared = request.prepare()
        sent = urllib.request.Request(prepared.url, data=body, method="PUT", headers=dict(prepared.headers))
        try:
            urllib.request.urlopen(sent, timeout=30).close()
        except urllib.error.HTTPError as error:
            raise RuntimeError(f"MinIO refused {call}: {error.read().decode(errors='replace')}") from error

    def _sealed(self, data: bytes) -> bytes:
        """The form in which the admin API takes secrets: salt(32) ‖ 2 ‖ nonce(8) ‖ one AES-256-GCM fragment, its key by
        PBKDF2 from the root secret, its associated data the tag of an empty fragment 0 (madmin-go, sio-go DARE stream)."""
        assert len(data) < 1 << 14, "one fragment"
        salt, nonce = secrets.token_bytes(32), secrets.token_bytes(8)
        key = AESGCM(PBKDF2HMAC(hashes.SHA256(), 32, salt, 8192).derive(self.endpoint.secret_key.encode()))
        last = b"\x80" + key.encrypt(nonce + (0).to_bytes(4, "little"), b"", b"")
        return salt + b"\x02" + nonce + key.encrypt(nonce + (1).to_bytes(4, "little"), data, last)


class GarageWithKeys(Garage):
    """Garage with two more keys."""

    def start(self, within: float = 30.0) -> None:
        super().start(within)
        main = User(self.endpoint.access_key, self.endpoint.secret_key, self.endpoint.access_key, "conformance", "main@example.com")
        made = [main]
        for number, name in ((2, "alt"), (3, "tenant")):
            key, secret = f"GK{'0' * 23}{number}", str(number) * 64
            for step in (("key", "import", "--yes", "-n", name, key, secret), ("key", "allow", "--create-bucket", key)):
                if self._cli(*step) is None:
                    raise RuntimeError(f"garage {' '.join(step)} failed:\n{self.log_tail()}")
            made.append(User(key, secret, key, name, f"{name}@example.com"))
        self.users = Users(*made, iam=main)


class Rgw(Server):
    """Ceph RGW over one monitor and one OSD in memory, from Debian's `radosgw ceph-mon ceph-osd ceph-common`."""

    name = "rgw"

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.monitor = free_port()
        self.endpoint = Endpoint(free_port(), "vault-key", "vault-secret", REGION)
        self.fsid = str(uuid.uuid4())
        self.config = root / "ceph.conf"
        self.daemons: list[subprocess.Popen[bytes]] = []
        for folder in ("run", "log", "mon", "osd"):
            (root / folder).mkdir(exist_ok=True)
        self.config.write_text(self._configuration())
        self.users = Users(
            main=self._user("main"),
            alt=self._user("alt"),
            tenant=self._user("ten", tenant="testx"),
            iam=self._user("iam"),
            api_name="default",
        )

    @staticmethod
    def _user(name: str, tenant: str = "") -> User:
        user_id = f"{tenant}${name}" if tenant else name
        return User(f"{name}-key", f"{name}-secret", user_id, name, f"{name}@example.com", tenant)

    def _configuration(self) -> str:
        # The OSD keeps its objects in memory and forgets its place in the map, so it is put there by hand.
        # `rgw_gc_obj_min_wait`: a deleted object's bytes go after seconds, not after two hours.
        return f"""[global]
fsid = {self.fsid}
mon_initial_members = a
mon_host = v1:127.0.0.1:{self.monitor}
public_network = 127.0.0.0/8
auth_cluster_required = none
auth_service_required = none
auth_client_required = none
osd_pool_default_size = 1
osd_pool_default_min_size = 1
osd_pool_default_pg_num = 8
osd_pool_default_pgp_num = 8
osd_pool_default_pg_autoscale_mode = off
osd_crush_chooseleaf_type = 0
osd_crush_update_on_start = false
osd_class_update_on_start = false
osd_objectstore = memstore
memstore_device_bytes = {8 << 30}
mon_allow_pool_size_one = true
mon_max_pg_per_osd = 1000
mon_data = {self.root}/mon
osd_data = {self.root}/osd
run_dir = {self.root}/run
crash_dir = {self.root}/run
admin_socket = {self.root}/run/$cluster-$name.asok
pid_file = {self.root}/run/$name.pid
log_file = {self.root}/log/$name.log
[client.rgw.a]
keyring = /dev/null
rgw_frontends = beast endpoint={self.endpoint.host}
rgw_gc_obj_min_wait = 2
rgw_lc_debug_interval = 10
rgw_crypt_require_ssl = false
rgw_crypt_s3_kms_backend = testing
rgw_crypt_s3_kms_encryption_keys = testkey-1=MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY= testkey-2=ZmVkY2JhOTg3NjU0MzIxMGZlZGNiYTk4NzY1NDMyMTA=
"""

    def command(self) -> list[str]:
        return ["radosgw", "-c", str(self.config), "-n", "client.rgw.a", "-f"]

    def ready(self) -> bool:
        return http_status(self.endpoint.port, "/") is not None

    def start(self, within: float = 120.0) -> None:
        cluster = ["-c", str(self.config)]
        self._run("monmaptool", "--create", "--clobber", "--addv", "a", f"[v1:127.0.0.1:{self.monitor}]", "--fsid", self.fsid, "monmap")
        self._run("ceph-mon", *cluster, "-i", "a", "--mkfs", "--monmap", "monmap")
        self._daemon("ceph-mon", *cluster, "-i", "a", "-f")
        osd = str(uuid.uuid4())
        self._run("ceph", *cluster, "osd", "new", osd)
        self._run("ceph-osd", *cluster, "-i", "0", "--mkfs", "--osd-uuid", osd, "--osd-objectstore", "memstore")
        self._daemon("ceph-osd", *cluster, "-i", "0", "--osd-objectstore", "memstore", "-f")
        self._run("ceph", *cluster, "osd", "crush", "add", "osd.0", "1.0", "root=default", "host=here")
        super().start(within)
        vault = User(self.endpoint.access_key, self.endpoint.secret_key, "vault", "vault", "vault@example.com")
        for user in (self.users.main, self.users.alt, self.users.tenant, self.users.iam, vault):
            self._run(
                "radosgw-admin", *cluster, "-n", "client.rgw.a", "user", "create",
                *(["--tenant", user.tenant] if user.tenant else []), "--uid", user.user_id.split("$")[-1],
                "--display-name", user.display_name, "--email", user.email,
                "--access-key", user.access_key, "--secret", user.secret_key,
                "--caps", "user-policy=*;roles=*;oidc-provider=*",
            )  # fmt: skip

    def kill(self) -> None:
        super().kill()
        for daemon in reversed(self.daemons):
            daemon.send_signal(signal.SIGKILL)
            daemon.wait()
        self.daemons.clear()

    def _daemon(self, *command: str) -> None:
        with self.log.open("ab") as log:
            self.daemons.append(
                subprocess.Popen(command, cwd=self.root, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)
            )
        time.sleep(2)

    def _run(self, *command: str) -> None:
        """A command of the cluster, which may not answer yet: tried for a minute."""
        deadline = time.monotonic() + 60
        while True:
            try:
                done = subprocess.run(command, cwd=self.root, capture_output=True, text=True, timeout=60, check=False)
                problem = done.stderr
                if done.returncode == 0:
                    return
            except subprocess.TimeoutExpired:
                problem = "no answer within 60 s"
            if time.monotonic() > deadline:
                self.kill()
                raise RuntimeError(f"{' '.join(command)} failed: {problem}")
            time.sleep(1)


LOCAL = Users(
    *(User(f"{name}user", f"{name}-user-secret", "data-vault", "data-vault", f"{name}@example.com") for name in ("main", "alt", "tenant")),
    iam=User("mainuser", "main-user-secret", "data-vault", "data-vault", "main@example.com"),
)
"""The embedded store knows no users: three names of one."""

STORES = {"minio": MinioWithUsers, "garage": GarageWithKeys, "rgw": Rgw}


class GatewayOfUsers(Gateway):
    """The gateway as a drop-in: each client credential is the same at the backend, anonymous requests go on unsigned."""

    def __init__(
        self, root: Path, behind: Endpoint | None, users: Users, authority: Authority | None = None, system_bucket: str | None = None
    ) -> None:
        self.users = users
        super().__init__(root, behind, system_bucket, authority=authority)

    def _configuration(self) -> str:
        credentials = ""
        for user in {user.access_key: user for user in (self.users.main, self.users.alt, self.users.tenant, self.users.iam)}.values():
            credentials += f'[[credentials]]\naccess_key = "{user.access_key}"\nsecret_key = "{user.secret_key}"\n'
            if self.behind is not None:
                credentials += f'backend_tenant = "{user.tenant}"\n' if user.tenant else ""
                credentials += f'backend_access_key = "{user.access_key}"\nbackend_secret_key = "{user.secret_key}"\n'
        anonymous = "refuse" if self.behind is None else "backend"
        base = super()._configuration()
        if any(user.tenant for user in (self.users.main, self.users.alt, self.users.tenant)):
            base = base.replace("[backend]\n", "[backend]\ntenants = true\n")
        return base + f'[identity]\nanonymous = "{anonymous}"\nsigv2 = "all"\n' + credentials

    def panics(self) -> list[str]:
        """Lines of the log that tell of a panic."""
        return re.findall(r".*panicked at.*", self.log.read_text(errors="replace"))


def environment() -> dict[str, str]:
    """Without the settings of whoever runs this for S3 clients."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    return kept | {"AWS_CONFIG_FILE": "/dev/null", "AWS_SHARED_CREDENTIALS_FILE": "/dev/null", "AWS_EC2_METADATA_DISABLED": "true"}
