"""The signals of loyalty.sql: how attached a customer is, and how they answer the company."""

from dataclasses import replace

from features.signals.signal import Signal

__all__ = ["LOYALTY"]

_NO_CONTACT = "no contact with the customer is known"
_NEEDS = ("interactions.kind",)
_TOPICS = {"quality": "质量", "contract": "合同", "transport": "运输", "service": "服务"}

_ATTACHMENT = (
    Signal(
        "tenure_days", "days", "Tenure", "客户关系天数",
        "Days since the customer was won, as far as the ledger knows.",
    ),
    Signal(
        "repeat_rate", "rate", "Repeat rate", "年复购频率",
        "Repeat purchase days a year since the first purchase.", "the first purchase is of as_of",
    ),
    Signal(
        "regularity_share", "share", "Regularity", "购买规律性",
        "Share of the last four quarters of 90 days, as far as there were that many, with a "
        "purchase.",
        high=1,
    ),
    Signal(
        "on_discount_share", "share", "Bought on discount", "折扣购买占比",
        "Price sensitivity: share of purchases that were bought on discount.",
        "no line has a discount, or all were free", ("discount",), high=1,
    ),
    Signal(
        "n_channels", "count", "Channels", "购买渠道数", "Different channels bought through.",
        "no line of the customer names a channel", ("channel",), low=1,
    ),
)  # fmt: skip

_COOPERATION = (
    Signal(
        "n_contacts_365d", "count", "Contacts, 365 days", "近365天接触次数",
        "Contacts of any kind in the last 365 days.", _NO_CONTACT, _NEEDS,
    ),
    Signal("n_visits", "count", "Visits", "拜访次数", "Visits, all time.", _NO_CONTACT, _NEEDS),
    Signal(
        "n_visits_365d", "count", "Visits, 365 days", "近365天拜访次数",
        "Visits in the last 365 days.", _NO_CONTACT, _NEEDS,
    ),
    Signal(
        "days_since_last_visit", "days", "Days since visit", "距上次拜访天数",
        "Days since the last visit.", "no visit is known", _NEEDS,
    ),
    Signal(
        "visit_response_share", "share", "Response to visits", "拜访响应率",
        "Share of the visits at least 30 days old that a purchase followed within 30 days.",
        "no visit is known that is 30 days old", _NEEDS, high=1,
    ),
    Signal(
        "n_campaign_contacts", "count", "Campaign contacts", "营销触达次数",
        "Contacts by campaigns.", _NO_CONTACT, _NEEDS,
    ),
    Signal(
        "n_campaign_responses", "count", "Campaign responses", "营销响应次数",
        "Responses to campaigns.", _NO_CONTACT, _NEEDS,
    ),
    Signal(
        "campaign_response_share", "share", "Response to campaigns", "营销响应率",
        "Share of the campaigns that contacted the customer to which they responded.",
        "no contact by a named campaign is known", ("interactions.campaign_id",), high=1,
    ),
)  # fmt: skip

_COMPLAINTS = (
    Signal(
        "n_complaints", "count", "Complaints", "投诉次数", "Complaints, all time.", _NO_CONTACT,
        _NEEDS,
    ),
    Signal(
        "n_complaints_365d", "count", "Complaints, 365 days", "近365天投诉次数",
        "Complaints in the last 365 days.", _NO_CONTACT, _NEEDS,
    ),
    *(
        Signal(
            f"n_complaints_{topic}", "count", f"Complaints: {topic}", f"{topic_zh}投诉次数",
            f"Complaints about {topic}.", "no complaint of the customer names a topic",
            ("interactions.topic",),
        )
        for topic, topic_zh in _TOPICS.items()
    ),
    Signal(
        "n_complaints_open", "count", "Open complaints", "未解决投诉数",
        "Complaints not resolved yet.", _NO_CONTACT, _NEEDS,
    ),
    Signal(
        "complaint_open_days", "days", "Oldest open complaint", "最久未解决投诉天数",
        "Days for which the oldest open complaint has been open.", "no complaint is open", _NEEDS,
    ),
    Signal(
        "resolution_mean_days", "days", "Days to resolve", "平均投诉解决天数",
        "Mean days from complaint to resolution.", "no complaint was resolved",
        ("interactions.resolved_day",),
    ),
    Signal(
        "complaint_tolerance_share", "share", "Tolerance", "投诉后复购率",
        "Share of the complaints at least 90 days old that a purchase followed within 90 days.",
        "no complaint is known that is 90 days old", _NEEDS, high=1,
    ),
)  # fmt: skip

_SATISFACTION = (
    Signal(
        "satisfaction_mean", "share", "Satisfaction", "平均满意度",
        "Mean satisfaction, from 0 (none) to 1 (full).", "no satisfaction is known",
        ("interactions.satisfaction",), high=1,
    ),
    Signal(
        "satisfaction_trend", "rate", "Trend of satisfaction", "满意度趋势",
        "Mean satisfaction of the last 180 days less that before.",
        "no satisfaction is known of the last 180 days, or none before",
        ("interactions.satisfaction",), low=-1, high=1,
    ),
    Signal(
        "loyalty_level", "class", "Loyalty level", "忠诚度层级",
        "Behavioural: bought in three of the last four quarters; affective: came back, and "
        "answered a campaign, stayed after a complaint or is satisfied (0.7 and more); cognitive: "
        "bought within 365 days.",
        "no purchase in the last 365 days", high=0,
        values=("cognitive", "affective", "behavioural"),
    ),
)  # fmt: skip

LOYALTY = tuple(
    replace(signal, family="loyalty")
    for signal in (*_ATTACHMENT, *_COOPERATION, *_COMPLAINTS, *_SATISFACTION)
)
