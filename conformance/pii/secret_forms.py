"""Secrets in the forms that their issuers describe. Written as templates, so that no complete one stands in the repository."""

from __future__ import annotations

import base64
import binascii
import json
import re
import string

from kinds import Draw, Kind

BASE62 = string.digits + string.ascii_uppercase + string.ascii_lowercase
ALPHABETS = {
    "d": string.digits, "h": "0123456789abcdef", "l": string.ascii_lowercase + string.digits, "U": string.ascii_uppercase + string.digits, "n": BASE62,
    "u": BASE62 + "-_", "B": BASE62 + "+/", "z": "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567",
}  # fmt: skip
PART = re.compile(r"\{([dhlUnuBz])(\d+)\}")

UUID = "{h8}-{h4}-{h4}-{h4}-{h12}"
# `{n36}` is 36 letters or digits. Names are those of the issuers.
ISSUERS = {
    "Amazon": ("AKIA{z16}", "ASIA{z16}"), "Google API": ("AIza{u35}",), "Google OAuth": ("GOCSPX-{u28}", "ya29.{u80}"),
    "DigitalOcean": ("dop_v1_{h64}", "doo_v1_{h64}"), "Heroku": ("HRKU-AA{u58}",), "Netlify": ("nfp_{n36}",), "Supabase": ("sbp_{h40}",),
    "Fly.io": ("fo1_{u43}",), "Alibaba": ("LTAI{n20}",), "Tencent": ("AKID{n32}",), "Doppler": ("dp.pt.{n43}", "dp.st.prd.{n43}"),
    "Vault": ("hvs.{u90}", "hvb.{u140}"), "Terraform Cloud": ("{n14}.atlasv1.{n67}",), "Pulumi": ("pul-{h40}",),
    "PlanetScale": ("pscale_tkn_{n43}", "pscale_pw_{n43}"), "Databricks": ("dapi{h32}",), "Sentry": ("sntryu_{h64}",),
    "Grafana": ("glsa_{n32}_{h8}", "glc_{n60}"), "New Relic": ("NRAK-{U27}",), "Dynatrace": ("dt0c01.{z24}.{z64}",),
    "GitHub fine-grained": ("github_pat_{n22}_{n59}",), "GitLab": ("glpat-{u20}", "gldt-{u20}", "glrt-{u20}", "glptt-{h40}"),
    "Bitbucket": ("ATBB{n24}{h8}",), "Atlassian": ("ATATT3xFfGF0{u170}={U8}",), "CircleCI": ("CCIPAT_{n22}_{h40}",), "Buildkite": ("bkua_{h40}",),
    "PyPI": ("pypi-AgEIcHlwaS5vcmc{u80}",), "RubyGems": ("rubygems_{h48}",), "crates.io": ("cio{n32}",), "NuGet": ("oy2{l43}",),
    "Docker Hub": ("dckr_pat_{u27}",), "Clojars": ("CLOJARS_{l60}",), "JFrog": ("cmVmdGtu{n56}",), "Postman": ("PMAK-{h24}-{h34}",),
    "ReadMe": ("rdme_{l70}",), "Slack bot": ("xoxb-{d12}-{d13}-{n24}",), "Slack user": ("xoxp-{d12}-{d12}-{d12}-{h32}",),
    "Slack app": ("xapp-1-A{U10}-{d13}-{h64}",), "Slack webhook": ("https://hooks.slack.com/services/T{U8}/B{U10}/{n24}",),
    "Discord webhook": ("https://discord.com/api/webhooks/{d18}/{u68}",), "Telegram": ("{d10}:AA{u33}",),
    "Teams webhook": (f"https://contoso.webhook.office.com/webhookb2/{UUID}@{UUID}/IncomingWebhook/{{h32}}/{UUID}",),
    "Twilio": ("SK{h32}",), "SendGrid": ("SG.{u22}.{u43}",), "Mailgun": ("key-{h32}",), "Mailchimp": ("{h32}-us12",),
    "Brevo": ("xkeysib-{h64}-{n16}",), "Stripe": ("sk_live_{n24}", "rk_live_{n24}", "whsec_{n32}"), "Square": ("EAAA{u60}", "sq0csp-{u43}"),
    "PayPal Braintree": ("access_token$production${l16}${h32}",), "Razorpay": ("rzp_live_{n14}",),
    "Shopify": ("shpat_{h32}", "shpss_{h32}", "shpca_{h32}"), "Flutterwave": ("FLWSECK-{h32}-X",),
    "Plaid": ("access-production-{h8}-{h4}-{h4}-{h4}-{h12}",), "OpenAI": ("sk-proj-{u74}T3BlbkFJ{u74}", "sk-{n20}T3BlbkFJ{n20}"),
    "Anthropic": ("sk-ant-api03-{u93}AA",), "Hugging Face": ("hf_{n34}",), "Replicate": ("r8_{n37}",), "Groq": ("gsk_{n52}",),
    "Perplexity": ("pplx-{n48}",), "xAI": ("xai-{n80}",), "LangSmith": ("lsv2_pt_{h32}_{h10}",), "OpenRouter": ("sk-or-v1-{h64}",),
    "Fireworks": ("fw_{n24}",), "NVIDIA": ("nvapi-{u64}",), "Tavily": ("tvly-{n32}",), "Pinecone": ("pcsk_{n5}_{n63}",), "ElevenLabs": ("sk_{h48}",),
    "Notion": ("ntn_{n46}", "secret_{n43}"), "Linear": ("lin_api_{n40}",), "Airtable": ("pat{n14}.{h64}",), "Figma": ("figd_{u40}",),
    "HubSpot": ("pat-na1-{h8}-{h4}-{h4}-{h4}-{h12}",), "Typeform": ("tfp_{u59}",), "Contentful": ("CFPAT-{u43}",), "Dropbox": ("sl.{u137}",),
    "EasyPost": ("EZAK{n54}",), "Shippo": ("shippo_live_{h40}",), "Duffel": ("duffel_live_{u43}",), "Frame.io": ("fio-u-{u64}",),
    "MapBox": ("sk.eyJ{n60}.{u22}",), "Prefect": ("pnu_{l36}",), "1Password": ("ops_eyJ{B250}",), "Infracost": ("ico-{n32}",),
    "Scalingo": ("tk-us-{u48}",), "Sourcegraph": ("sgp_{h16}_{h40}",), "PostHog": ("phx_{n43}",), "Statsig": ("secret-{n43}",),
    "Facebook": ("EAACEdEose0cBA{n80}",), "Tailscale": ("tskey-auth-{n12}CNTRL-{n32}",), "Cloudflare origin CA": ("v1.0-{h24}-{h146}",),
    "Yandex": ("AQVN{u36}",), "Vercel": ("vercel_blob_rw_{n16}_{n30}",), "Render": ("rnd_{n28}",),
    "Azure Entra": ("{n3}8Q~{u34}",), "Azure DevOps": ("{n76}AZDO{n4}",),
    "Azure SAS": ("https://acme.blob.core.windows.net/c?sv=2022-11-02&sig={n43}%3D",), "Ionic": ("ion_{n42}",),
    "Defined Networking": ("dnkey-{u26}-{u52}",), "Klaviyo": ("pk_{h34}",), "Resend": ("re_{n8}_{n24}",), "Apify": ("apify_api_{n36}",),
    "Endor Labs": ("endr+{n16}",), "Ubidots": ("BBFF-{n30}",), "Octopus Deploy": ("API-{U26}",), "OpenShift": ("sha256~{u43}",),
    "MaxMind": ("{n6}_{n29}_mmk",), "SettleMint": ("sm_pat_{n16}",), "Intra42": ("s-s4t2ud-{h64}",), "Adafruit": ("aio_{n28}",),
    "Cloudinary": ("cloudinary://{d15}:{u27}@acme",), "Harness": ("pat.{u22}.{h24}.{n20}",),
}  # fmt: skip

# Issuers whose keys look like any random text: only their name beside them tells.
BY_NAME = {
    "Datadog": "DATADOG_API_KEY={h32}", "Cloudflare": "CLOUDFLARE_API_TOKEN={u40}", "Okta": "OKTA_API_TOKEN=00{u40}",
    "Algolia": "ALGOLIA_API_KEY={h32}", "Snyk": "SNYK_TOKEN={h8}-{h4}-{h4}-{h4}-{h12}", "Mistral": "MISTRAL_API_KEY={n32}",
    "Cohere": "COHERE_API_KEY={n40}", "Weights & Biases": "WANDB_API_KEY={h40}", "Fastly": "FASTLY_API_TOKEN={u32}",
    "Codecov": "CODECOV_TOKEN={h8}-{h4}-{h4}-{h4}-{h12}", "Asana": "ASANA_TOKEN={h32}", "Travis": "TRAVIS_TOKEN={u22}",
    "Twitter": "TWITTER_API_SECRET={n50}", "LinkedIn": "LINKEDIN_CLIENT_SECRET={n16}", "Amazon secret": "AWS_SECRET_ACCESS_KEY={B40}",
    "Linode": "LINODE_TOKEN={h64}", "Zendesk": "ZENDESK_API_TOKEN={n40}", "PagerDuty": "PAGERDUTY_API_KEY={u20}",
    "Auth0": "AUTH0_CLIENT_SECRET={u64}", "Vercel": "VERCEL_TOKEN={n24}",
    "Azure storage": "AccountKey={B86}==", "Beamer": "BEAMER_API_KEY=b_{u44}",
}  # fmt: skip

WITH = (
    "token: {value}", "API_KEY={value}", 'api_key = "{value}"', "curl -H 'Authorization: Bearer {value}' https://example.com", "export TOKEN={value}",
    '{"apiKey": "{value}"}',
    "The key is {value} for now.",
)  # fmt: skip
WITHOUT = ("{value}", "see {value} there", "x {value} y")
FORMS = "own generator, issuers' forms"


def filled(draw: Draw, template: str) -> str:
    return PART.sub(lambda part: "".join(draw.random.choices(ALPHABETS[part[1]], k=int(part[2]))), template)


def github(draw: Draw) -> str:
    """`ghp_`, 30 letters or digits, and their CRC-32 in base 62 (GitHub's blog, 5 April 2021)."""
    body = filled(draw, "{n30}")
    number, check = binascii.crc32(body.encode()), ""
    for _ in range(6):
        number, rest = divmod(number, 62)
        check = BASE62[rest] + check
    return draw.pick("ghp_", "gho_", "ghu_", "ghs_", "ghr_", "npm_") + body + check


def compact(value: dict) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def jwt(draw: Draw) -> str:
    head = {"alg": draw.pick("HS256", "RS256", "ES256"), "typ": "JWT"}
    return f"{compact(head)}.{compact({'sub': filled(draw, '{d10}'), 'iat': draw.random.randrange(10**9)})}.{filled(draw, '{u43}')}"


def pem(draw: Draw) -> str:
    name = draw.pick("RSA PRIVATE KEY", "PRIVATE KEY", "EC PRIVATE KEY", "OPENSSH PRIVATE KEY", "ENCRYPTED PRIVATE KEY")
    lines = "\n".join(filled(draw, "{B64}") for _ in range(draw.random.randint(2, 20)))
    return f"-----BEGIN {name}-----\n{lines}\n{filled(draw, '{B40}')}==\n-----END {name}-----"


def password(draw: Draw) -> str:
    return draw.faker("en_US").password(length=draw.random.randint(8, 18), special_chars=draw.random.random() < 0.5)


def secret(row: str, make, source: str, prose: tuple[str, ...], bare: tuple[str, ...] = ()) -> Kind:
    return Kind(row, "SECRET", source, "secret", make, cased=False, prose=prose, bare=bare)


def by_name(row: str, template: str) -> Kind:
    """The name stands in the text, the secret is what follows."""
    key, value = template.split("=", 1)
    words = key.lower().replace("_", " ")
    prose = (
        f"{key}={{value}}", f'{key}: "{{value}}"', f'{{"{key.lower()}": "{{value}}"}}', f"export {key}='{{value}}'", f"{key.lower()} = '{{value}}'",
        f"the {words} is {{value}}",
    )  # fmt: skip
    return secret(f"SECRET, {row}", lambda draw: filled(draw, value), FORMS, prose)


SECRETS = [
    *(secret(f"SECRET, {name}", lambda d, of=templates: filled(d, d.random.choice(of)), FORMS, WITH, WITHOUT) for name,
        templates in ISSUERS.items() if templates),
    secret("SECRET, GitHub and npm with check", github, FORMS, WITH, WITHOUT),
    secret("SECRET, JWT", jwt, FORMS, WITH, WITHOUT),
    secret("SECRET, private key in PEM", pem, FORMS, ("{value}", "key:\n{value}\n", "cat > id <<X\n{value}\nX"), ("{value}",)),
    secret("SECRET, password by name", password, "Faker password",
        ("password: {value}", 'DB_PASSWORD="{value}"', '{"user": "bob", "password": "{value}"}', "My password is {value}", "pwd={value}",
            "<password>{value}</password>")),
    secret("SECRET, Authorization Basic", lambda d: base64.b64encode(f"{d.faker('en_US').user_name()}:{password(d)}".encode()).decode(), "Faker",
        ("Authorization: Basic {value}", "-H 'Authorization: Basic {value}'")),
    *(by_name(f"{name} by name", template) for name, template in BY_NAME.items()),
]  # fmt: skip
