"""Which account an assistant uses with which provider, and the check every request of it passes."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass

from rapida_media.agents.base import Agent
from rapida_media.config import Assistant, Credential
from rapida_media.errors import RapidaError
from rapida_media.net.assistants import Assistants
from rapida_media.providers.base import ProviderSpec, Telephony
from rapida_media.providers.http import HttpClient, WebhookRequest
from rapida_media.providers.registry import account_of

log = logging.getLogger(__name__)


class Refused(RapidaError):  # noqa: N818 — an answer, not a fault
    """The request is answered with this HTTP status and nothing else happens.

    kind: a word for programs, where the status says too little.  field: of the request, where one
    is at fault.
    """

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        kind: str | None = None,
        field: str | None = None,
        retry_after_s: int | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.kind = kind
        self.field = field
        self.retry_after_s = retry_after_s


@dataclass(frozen=True, slots=True)
class Line:
    """A provider under one account, as one assistant uses it. A call keeps the one it began with,
    also when the configuration changes."""

    spec: ProviderSpec
    assistant: Assistant
    agent: Agent
    credential: Credential | None
    telephony: Telephony

    @property
    def account(self) -> str | None:
        """The name of the credential."""
        return None if self.credential is None else self.credential.name

    def verify(self, request: WebhookRequest) -> None:
        """Refuse a request that is not the provider's."""
        why = self.spec.verify(request, self.credential)
        if why is not None:
            log.warning("%s: a request was refused: %s", self.spec.name, why)
            raise Refused(403, f"not verified: {why}")


class Lines:
    """Makes each line once. client: what their telephony asks the provider with."""

    def __init__(
        self,
        specs: Mapping[str, ProviderSpec],
        credentials: Mapping[str, Credential],
        assistants: Assistants,
        client: HttpClient,
    ) -> None:
        self._specs = specs
        self._credentials = credentials
        self._assistants = assistants
        self._client = client
        self._lines: dict[tuple[str, str], Line] = {}

    def use(self, credentials: Mapping[str, Credential]) -> None:
        """Take other accounts, and assistants that have changed; calls keep their lines."""
        self._credentials = credentials
        self._lines.clear()

    def spec(self, provider: str) -> ProviderSpec:
        """Give a provider that has webhooks; Refused when there is none of that name."""
        spec = self._specs.get(provider)
        if spec is None or spec.telephony is None:
            raise Refused(404, f"there is no provider {provider!r} with webhooks")
        return spec

    def line(self, provider: str, name: str) -> Line:
        """Give the line of an assistant; Refused when it has none there."""
        line = self._lines.get((provider, name))
        if line is None:
            spec = self.spec(provider)
            assistant = self._assistants.named(name)
            if assistant is None:
                raise Refused(404, f"there is no assistant {name!r}")
            credential = self.credential(spec, assistant)
            assert spec.telephony is not None, "checked with the spec"
            telephony = spec.telephony(credential, self._client)
            agent = self._assistants.agent(assistant)
            line = Line(spec, assistant, agent, credential, telephony)
            self._lines[provider, name] = line
        return line

    def telephony(self, provider: str, credential: str | None) -> Telephony:
        """Make what asks a provider, under the account of that name and no other.

        Refused when the provider or the account is not there any more.
        """
        make = self.spec(provider).telephony
        assert make is not None, "checked with the spec"
        if credential is None:
            return make(None, self._client)
        account = self._credentials.get(credential)
        if account is None or account.provider != provider:
            raise Refused(404, f"there is no account {credential!r} with {provider}")
        return make(account, self._client)

    def credential(self, spec: ProviderSpec, assistant: Assistant) -> Credential | None:
        """Give the assistant's account there; without one, the only one there is.

        Refused when the provider wants one and none can be chosen.
        """
        account = account_of(self._credentials, assistant.credential, spec.name)
        if account is None and any(key.required for key in spec.credential_keys):
            raise Refused(404, f"the assistant {assistant.name!r} has no account with {spec.name}")
        return account
