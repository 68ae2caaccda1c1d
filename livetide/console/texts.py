"""The words of the console in its two languages."""

from __future__ import annotations

LANGUAGES = ("zh", "en")

TEXTS: dict[str, tuple[str, str]] = {
    "title": ("潮汐控制台", "Livetide console"),
    "rooms": ("直播间", "Rooms"),
    "alerts": ("舆情告警", "Alerts"),
    "answers": ("问答", "Answers"),
    "faq": ("问答库", "FAQ"),
    "clips": ("高光切片", "Clips"),
    "health": ("运行状况", "Health"),
    "room": ("直播间", "Room"),
    "login": ("登录", "Log in"),
    "logout": ("退出", "Log out"),
    "password": ("密码", "Password"),
    "wrong_password": ("密码不对。", "Wrong password."),
    "too_many_tries": (
        "错误次数过多，暂时不接受任何密码。请等待（秒）：",
        "Too many wrong tries: no password is taken for now. Seconds to wait:",
    ),
    "session_ended": (
        "登录已失效（满 12 小时、已退出，或控制台重启过），请重新登录。",
        "You are logged out: twelve hours have passed, you left, or the console was started again.",
    ),
    "no_cookie": (
        "密码正确，但浏览器没有保存 Cookie，所以无法登录。请允许本站使用 Cookie。",
        "The password is right, but the browser did not keep the cookie. Allow cookies for this address.",
    ),
    "times_in": ("时间均为", "Times are in"),
    "sittings": ("时段", "Times with chat"),
    "unanswered": ("没答上来的问题", "Questions without an answer"),
    "unanswered_hint": (
        "商品资料的 FAQ 里没有答案。再发一次该商品的 product 事件并在 faq 里补上，再有人问就能回答。",
        "No FAQ entry of the product sheets answers them. Send the product event again with the answer in its `faq`, "
        "and it will be answered when it is asked again.",
    ),
    "more": ("更多", "More"),
    "times": ("次数", "Times"),
    "where_password": (
        "首次启动时已生成，查看命令：",
        "It was made at first start. This shows it:",
    ),
    "messages": ("弹幕", "Messages"),
    "viewers": ("发言人数", "People"),
    "negative": ("负面占比", "Negative share"),
    "orders": ("订单", "Orders"),
    "gmv": ("成交额（元）", "GMV (CNY)"),
    "last_seen": ("最近一条", "Last message"),
    "per_minute": ("每分钟弹幕", "Messages a minute"),
    "mood": ("情绪：负面占比", "Mood: negative share"),
    "asking": ("观众正在问", "What viewers ask"),
    "asked": ("次", "times"),
    "earlier": ("已平息", "earlier"),
    "people": ("人", "people"),
    "highest": ("最高", "highest"),
    "level": ("级别", "Level"),
    "topic": ("话题", "Topic"),
    "state": ("状态", "State"),
    "since": ("开始", "Since"),
    "share": ("占比", "Share"),
    "evidence": ("证据", "Evidence"),
    "acknowledge": ("确认", "Acknowledge"),
    "resolve": ("解除", "Resolve"),
    "silence": ("静默", "Silence"),
    "question": ("问题", "Question"),
    "answer": ("回答", "Answer"),
    "score": ("得分", "Score"),
    "drafts": ("待审草稿", "Drafts to be read"),
    "no_drafts": (
        "没有待审草稿。从以往直播里整理：livetide faq mine --out drafts.tsv，再 livetide faq import drafts.tsv",
        "No drafts. Draft some from past broadcasts: livetide faq mine --out drafts.tsv, then livetide faq import drafts.tsv",
    ),
    "entries": ("已启用", "In use"),
    "wordings": ("其他问法（每行一个）", "Other wordings, one a line"),
    "product": ("商品编号", "Product (sku)"),
    "valid_until": ("有效期至（UTC，可留空）", "Valid until (UTC, or empty)"),
    "counts_on_price": ("依据的价格（元，可留空）", "Price that it counts on (CNY, or empty)"),
    "accept": ("启用", "Use it"),
    "save": ("保存草稿", "Keep as draft"),
    "refuse": ("不要", "Refuse"),
    "withdraw": ("撤下", "Withdraw"),
    "edit": ("修改", "Edit"),
    "all_rooms": ("所有直播间", "all rooms"),
    "right": ("答对了", "Right"),
    "wrong": ("答错了", "Wrong"),
    "listen": ("播放语音", "Listen"),
    "status": ("状态", "Status"),
    "process": ("进程", "Process"),
    "uptime": ("运行时间", "Uptime"),
    "restarts": ("重启次数", "Restarts"),
    "memory": ("内存（MB）", "Memory (MB)"),
    "lag": ("积压", "Lag"),
    "nothing": ("暂无内容。", "Nothing yet."),
    "no_rooms": (
        "还没有直播间数据。试试：livetide play sim:7 --room demo",
        "No room yet. Try: livetide play sim:7 --room demo",
    ),
    "store_away": ("数据库暂时没有应答，页面会自动重试。", "The store does not answer; this page tries again by itself."),
    "firing": ("进行中", "firing"),
    "acknowledged": ("已确认", "acknowledged"),
    "resolved": ("已解除", "resolved"),
    "silenced": ("已静默", "silenced"),
    "inhibited": ("被抑制", "inhibited"),
    "given": ("已回答", "given"),
    "proposed": ("待确认", "proposed"),
    "unknown": ("未知", "unknown"),
    "simulated": ("模拟环节", "simulated"),
    "download": ("下载", "Download"),
    "time": ("时间", "Time"),
    "skip": ("跳到内容", "Skip to content"),
    "without_clip": ("没有成片的高光", "Moments without a clip"),
}

NAMES: dict[str, dict[str, tuple[str, str]]] = {
    "topic": {
        "counterfeit": ("假货", "counterfeit"),
        "fraud": ("欺诈", "fraud"),
        "safety": ("安全", "safety"),
        "quality": ("质量", "quality"),
        "service": ("服务", "service"),
        "refund": ("退款", "refund"),
        "escalation": ("维权投诉", "escalation"),
        "negative": ("负面情绪", "displeasure"),
    },
    "intent": {
        "ask_price": ("问价格", "price"),
        "ask_discount": ("问优惠", "discount"),
        "ask_shipping": ("问物流", "shipping"),
        "ask_return": ("问售后", "returns"),
        "ask_stock": ("问库存", "stock"),
        "ask_size": ("问尺码", "size"),
        "ask_spec": ("问参数", "specification"),
        "ask_usage": ("问用法", "usage"),
        "ask_suitability": ("问适用", "suitability"),
        "ask_authenticity": ("问正品", "authenticity"),
        "ask_compare": ("问对比", "comparison"),
        "ask_link": ("问链接", "link"),
        "ask_event": ("问活动", "event"),
        "haggle": ("砍价", "haggling"),
        "buy_signal": ("想买", "about to buy"),
        "complain": ("抱怨", "complaint"),
        "praise": ("夸赞", "praise"),
        "greet": ("打招呼", "greeting"),
        "chat": ("闲聊", "small talk"),
    },
    "process": {
        "waiting": ("等待", "waiting"),
        "starting": ("启动中", "starting"),
        "ready": ("就绪", "ready"),
        "pausing": ("即将重启", "restarting"),
        "failed": ("已放弃", "given up"),
        "stopped": ("已停止", "stopped"),
        "done": ("已完成", "done"),
    },
    "reason": {"no video of this moment was recorded": ("这一刻没有录像", "no video of this moment was recorded")},
}
"""What other parts of the product name in one word, by kind, for people."""


def text(key: str, language: str) -> str:
    """The words for ``key``; the key itself for what is data and no text of ours."""
    pair = TEXTS.get(key)
    return pair[LANGUAGES.index(language)] if pair else key


def name(kind: str, word: str, language: str) -> str:
    """The words for a name of ``NAMES``; the name itself when it is not known here."""
    pair = NAMES[kind].get(word)
    return pair[LANGUAGES.index(language)] if pair else word
