"""SMS, by Amazon SNS. It says that it took a message over; whether it came to the phone stands in CloudWatch Logs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from omc.aws.gateway import Gateway
from omc.errors import AccessDenied, AwsRefused, OmcError, Throttled, WrongUse
from omc.model.people import Channel
from omc.notify.channels.registry import CHANNELS, ChannelContext, PageDelivery
from omc.notify.links import is_acknowledge_link
from omc.notify.model import Failure, Outcome, Refused, Sent, TryAgain
from omc.notify.text import sms

if TYPE_CHECKING:
    from types_boto3_sns.type_defs import MessageAttributeValueTypeDef

TRANSACTIONAL = "Transactional"
"""Sent as reliably as can be; SNS's default is cheap and slow."""

OPTED_OUT = (
    "its owner answered STOP, so SNS takes messages over and sends none; to get them again: aws sns "
    "opt-in-phone-number, once in 30 days"
)


@CHANNELS.register(Channel.SMS)
def send(delivery: PageDelivery, context: ChannelContext) -> Outcome:
    page, settings = delivery.page, context.stack.notify.sms
    gateway = context.gateway(page.environment)
    if gateway is None:
        return Refused(f"omc.toml has no environment {page.environment}, whose account would send it")
    attributes: dict[str, MessageAttributeValueTypeDef] = {
        "AWS.SNS.SMS.SMSType": {"DataType": "String", "StringValue": TRANSACTIONAL}
    }
    if settings.sender_id is not None:
        attributes["AWS.SNS.SMS.SenderID"] = {"DataType": "String", "StringValue": settings.sender_id}
    if settings.origination_number is not None:
        attributes["AWS.MM.SMS.OriginationNumber"] = {"DataType": "String", "StringValue": settings.origination_number}
    link = page.message.link or ""
    has_opted_out = _has_opted_out(gateway, delivery.method.address)
    if isinstance(has_opted_out, TryAgain):
        return has_opted_out
    if has_opted_out:
        return Refused(OPTED_OUT)
    try:
        answer = gateway.client("sns").publish(
            PhoneNumber=delivery.method.address,
            Message=sms(page.message.short, page.key, link if is_acknowledge_link(link) else ""),
            MessageAttributes=attributes,
        )
    except (AccessDenied, AwsRefused, WrongUse) as error:
        return Refused(error.message, Failure.RIGHTS if isinstance(error, AccessDenied) else Failure.OTHER)
    except Throttled as error:
        return TryAgain(error.message, failure=Failure.RATE)
    except OmcError as error:  # no credentials just now, no answer, a failure of SNS's own
        return TryAgain(error.message, may_have_arrived=True, failure=Failure.UNREACHABLE)
    return Sent(str(answer.get("MessageId", "")))


def _has_opted_out(gateway: Gateway, number: str) -> bool | TryAgain:
    """Whether SNS would take a message over and drop it. Where that may not be read, the message is tried; where there
    is no answer just now, it is tried later, since "sent" could mean nobody."""
    try:
        return bool(gateway.client("sns").check_if_phone_number_is_opted_out(phoneNumber=number).get("isOptedOut"))
    except (AccessDenied, AwsRefused, WrongUse):
        return False
    except OmcError as error:
        why = Failure.RATE if isinstance(error, Throttled) else Failure.UNREACHABLE
        return TryAgain(f"whether the number has opted out isn't known: {error.message}", failure=why)
