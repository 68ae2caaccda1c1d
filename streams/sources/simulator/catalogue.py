"""What the simulated room sells: invented products with sheets, FAQ pairs and the lines that the host speaks about them.

``label`` is what the picture shows (the picture's font is Latin). In lines and answers ``{price}`` is the price in figures and
``{spoken}`` the price as it is said. FAQ pairs are named by the family of questions (``questions.py``) that they answer.
"""

from __future__ import annotations

from dataclasses import dataclass

_SHARED = {
    "ship_time": ("多久发货", "现货，付款后四十八小时内发出，一般三到五天到"),
    "ship_fee": ("包邮吗", "全国包邮，新疆西藏也包邮"),
    "returns": ("能退货吗", "支持七天无理由退货，不影响二次销售就可以退"),
    "return_fee": ("退货运费谁出", "每单都送运费险，退货不用自己出运费"),
    "real": ("是正品吗", "品牌官方授权，正品保证，假一赔十"),
}


@dataclass(frozen=True)
class Item:
    """One product. ``prices`` are the fen amounts that a seed chooses from; ``shared`` names pairs that many products have."""

    sku: str
    name: str
    label: str
    prices: tuple[int, ...]
    was: int
    colour: tuple[int, int, int]
    attributes: dict[str, str]
    shared: str
    faq: dict[str, tuple[str, str]]
    intro: tuple[str, ...]
    feature: tuple[str, ...]

    @property
    def pairs(self) -> dict[str, tuple[str, str]]:
        """The whole FAQ by family of questions."""
        return {
            "price": ("多少钱", "直播间到手价{price}元"),
            **{name: _SHARED[name] for name in self.shared.split()},
            **self.faq,
        }


ITEMS = (
    Item(
        sku="SKU-101",
        name="甘露玻尿酸精华液 30ml",
        label="GANLU SERUM 30ml",
        prices=(12900, 13900, 11990),
        was=25900,
        colour=(96, 54, 84),
        attributes={"品类": "精华液", "品牌": "甘露", "规格": "30ml", "功效": "补水保湿", "肤质": "所有肤质"},
        shared="ship_time real return_fee",
        faq={
            "skin_type": ("敏感肌能用吗", "不含酒精香精，敏感肌可以用，先在耳后试一下"),
            "pregnant": ("孕妇能用吗", "孕期和哺乳期建议先问医生再用"),
            "how_to_use": ("怎么用", "洁面爽肤水之后，早晚各两到三滴，轻拍吸收"),
            "shelf_life": ("保质期多久", "保质期三年，开封后六个月内用完"),
        },
        intro=("接下来给大家介绍的是我们家的甘露玻尿酸精华液", "皮肤干到起皮的姐妹，这一款就是给你准备的"),
        feature=(
            "它里面是三种分子量的玻尿酸，大的锁水，小的往里走",
            "成分表很干净，没有酒精也没有香精",
            "质地像水一样，上脸拍一拍就吸收了，一点都不粘",
            "早晚洗完脸用两三滴，后面跟上面霜就可以",
        ),
    ),
    Item(
        sku="SKU-102",
        name="云朵羊毛针织衫",
        label="YUNDUO KNITWEAR",
        prices=(19900, 18900, 21900),
        was=39900,
        colour=(92, 76, 50),
        attributes={"品类": "针织衫", "品牌": "云朵", "材质": "羊毛70%", "颜色": "黑 白 焦糖", "尺码": "S-XXL"},
        shared="returns ship_fee",
        faq={
            "size": ("尺码怎么选", "正常码，S到XXL，喜欢宽松的拍大一码"),
            "fit": ("120斤穿什么码", "一百斤以内S，一百到一百二M，一百二到一百四L，再往上XL"),
            "material": ("什么材质", "百分之七十羊毛，百分之三十腈纶，贴身穿不扎"),
            "colour": ("有几个颜色", "黑色、白色、焦糖色三个颜色"),
            "fade": ("会起球掉色吗", "冷水手洗或者装网袋机洗，不掉色，正常穿不起球"),
        },
        intro=("姐妹们看过来，这一件是云朵家的羊毛针织衫", "秋冬衣柜里少一件打底的，就看它了"),
        feature=(
            "百分之七十的羊毛，你摸一下这个手感，软得像云一样",
            "版型是微微宽松的，小肚子拜拜肉全都能遮住",
            "黑色白色焦糖色三个颜色，从S码做到XXL",
            "贴身穿也不扎，装网袋丢洗衣机就能洗",
        ),
    ),
    Item(
        sku="SKU-103",
        name="山野每日坚果 750g",
        label="SHANYE DAILY NUTS 750g",
        prices=(7990, 6900, 8900),
        was=13900,
        colour=(70, 84, 40),
        attributes={"品类": "坚果", "品牌": "山野", "净含量": "750g", "规格": "30小包", "口味": "原味"},
        shared="ship_time ship_fee",
        faq={
            "taste": ("什么口味", "原味轻烘焙，六种坚果果干，不齁甜"),
            "sugar": ("糖尿病能吃吗", "坚果不加糖，果干含天然糖分，血糖高的话挑坚果吃"),
            "net_weight": ("一箱多少", "一箱三十小包，一包二十五克，净重七百五十克"),
            "children": ("小孩能吃吗", "三岁以上可以吃，小小孩要大人看着防噎"),
            "shelf_life": ("保质期多久", "保质期九个月，发的都是两个月以内的新货"),
        },
        intro=("下面这一箱是办公室零食的天花板，山野每日坚果", "早上来不及吃饭的朋友，抽屉里一定要备一箱"),
        feature=(
            "一小包里面六种，核桃腰果巴旦木，蓝莓蔓越莓都有",
            "轻烘焙不油炸，咬一口是脆的，嘴巴里不会发干",
            "一箱三十小包，一天一包，刚好吃一个月",
            "日期都是这两个月新做的，打开就是坚果香",
        ),
    ),
    Item(
        sku="SKU-104",
        name="疾风 X5 手机 12+256G",
        label="JIFENG X5 12+256G",
        prices=(199900, 189900, 209900),
        was=249900,
        colour=(36, 60, 104),
        attributes={"品类": "手机", "品牌": "疾风", "内存": "12G+256G", "电池": "5500mAh", "充电": "90W"},
        shared="real",
        faq={
            "gaming": ("玩游戏流畅吗", "有独立散热板，大型游戏高画质稳定不掉帧，机身不烫"),
            "battery": ("电池续航怎么样", "五千五百毫安电池，正常用一天半"),
            "camera": ("拍照清楚吗", "后置五千万像素带防抖，前置三千二百万"),
            "memory": ("内存多大", "12G运行内存加256G存储，不支持扩展卡"),
            "charge": ("充电快吗", "九十瓦快充，三十五分钟充满，盒子里带充电头"),
            "warranty": ("保修几年", "全国联保，整机一年，电池两年"),
        },
        intro=("要换手机的朋友停一停，这台是疾风的X5", "学生党游戏党盯了一个月的，就是这一台"),
        feature=(
            "里面加了一整块散热板，大型游戏高画质不掉帧",
            "五千五百毫安的大电池，早上出门晚上回来还有电",
            "五千万像素带防抖，晚上拍灯光也是清清楚楚",
            "九十瓦快充，洗个澡吃个饭的时间就充满了",
        ),
    ),
    Item(
        sku="SKU-105",
        name="暖灶 IH 电饭煲 4L",
        label="NUANZAO IH COOKER 4L",
        prices=(29900, 32900, 27900),
        was=59900,
        colour=(98, 58, 38),
        attributes={"品类": "电饭煲", "品牌": "暖灶", "容量": "4L", "功率": "1200W", "内胆": "陶瓷晶"},
        shared="return_fee",
        faq={
            "capacity": ("几个人用", "四升容量，三到六口之家都够"),
            "power": ("功率多大", "一千二百瓦，煮一次饭大约零点四度电"),
            "cleaning": ("好清洗吗", "内胆内盖都能拆下来洗，内胆不粘"),
            "warranty": ("保修多久", "整机保修三年，坏了免费上门取件"),
            "elder": ("老人用方便吗", "大字面板加语音报时，老人一键就能煮"),
        },
        intro=("厨房里最值得换的一件东西来了，暖灶的IH电饭煲", "家里电饭煲用了五六年的，今天可以换掉了"),
        feature=(
            "IH整圈加热，米饭上面下面一样软，粒粒分明",
            "四升的容量，一家三口用刚好，来客人也够",
            "内胆内盖都能拆，水一冲就干净",
            "面板字很大，一键煮饭，爸妈一看就会",
        ),
    ),
    Item(
        sku="SKU-106",
        name="铁匠无涂层炒锅 32cm",
        label="TIEJIANG WOK 32cm",
        prices=(16900, 15900, 17900),
        was=32900,
        colour=(58, 58, 66),
        attributes={"品类": "炒锅", "品牌": "铁匠", "直径": "32cm", "材质": "精铁", "涂层": "无"},
        shared="returns ship_fee real",
        faq={
            "stove": ("电磁炉能用吗", "平底设计，燃气灶电磁炉电陶炉都可以用"),
            "coating": ("会粘锅吗", "没有涂层，物理不粘，开锅后热锅凉油就不粘，铁铲也能用"),
            "material": ("什么材质", "食品级精铁，没有涂层"),
            "cleaning": ("怎么清洗", "热水加刷子洗，擦干就行，不要放洗碗机"),
        },
        intro=("做饭的朋友看这里，铁匠家的无涂层炒锅", "家里不粘锅一年一换的，听我讲两分钟"),
        feature=(
            "它是一整块精铁敲出来的，没有涂层就不会掉涂层",
            "表面这些凹点能存油，煎蛋一推就走",
            "平底的，燃气灶电磁炉都能用，铁铲随便铲",
            "三十二公分，一家人炒菜不会往外掉",
        ),
    ),
    Item(
        sku="SKU-107",
        name="雪岭加厚羽绒服",
        label="XUELING DOWN JACKET",
        prices=(49900, 45900, 52900),
        was=99900,
        colour=(44, 78, 96),
        attributes={"品类": "羽绒服", "品牌": "雪岭", "填充": "白鸭绒90%", "颜色": "黑 米白 雾蓝", "尺码": "S-XXXL"},
        shared="returns return_fee",
        faq={
            "warm": ("冬天穿冷吗", "充绒量两百克，零下十五度穿没问题"),
            "size": ("尺码准吗", "正常码，S到XXXL，里面要穿厚毛衣就拍大一码"),
            "fit": ("一百三十斤穿什么码", "一百二到一百四拍L，一百四到一百六拍XL"),
            "colour": ("有什么颜色", "黑色、米白、雾蓝三个颜色"),
            "fade": ("能机洗吗", "建议干洗或者手洗，不钻绒不掉色"),
        },
        intro=("降温了姐妹们，雪岭的加厚羽绒服给你们拿过来了", "北方的朋友，今年冬天就靠它了"),
        feature=(
            "百分之九十的白鸭绒，充绒量两百克，拿在手上却很轻",
            "三层锁绒的面料，不钻绒，袖口领口都是防风的",
            "黑色米白雾蓝三个颜色，S码一直到XXXL",
            "零下十五度里面穿一件毛衣就够了",
        ),
    ),
    Item(
        sku="SKU-108",
        name="静风空气循环扇",
        label="JINGFENG FAN",
        prices=(25900, 23900, 26900),
        was=45900,
        colour=(40, 88, 82),
        attributes={"品类": "循环扇", "品牌": "静风", "功率": "35W", "噪音": "26dB", "档位": "12档"},
        shared="ship_time returns",
        faq={
            "noise": ("声音大吗", "最低档二十六分贝，睡觉开着也听不到"),
            "power": ("费电吗", "三十五瓦，开一晚上不到零点三度电"),
            "cleaning": ("好拆洗吗", "前网罩一拧就下来，扇叶可以水洗"),
            "warranty": ("保修几年", "电机保修五年，整机保修两年"),
        },
        intro=("这一台是静风家的空气循环扇，一年四季都能用", "房间闷的朋友，看看这台循环扇"),
        feature=(
            "冬天配暖气夏天配空调，十分钟整个屋子温度就匀了",
            "最低档二十六分贝，放在床头都听不见声音",
            "十二档风，三十五瓦，开一晚上不到一毛五的电费",
            "网罩一拧就下来，扇叶拿去水龙头下面冲",
        ),
    ),
)

PRICE_LINES = (
    "外面专柜卖{was_spoken}，今天我们不要这个价",
    "今天在我直播间，到手价只要{spoken}",
    "我再说一遍价格，{spoken}，全国包邮还送运费险",
)
CALL_LINES = (
    "库存不多，准备好了没有，三二一上链接",
    "{number}号链接，直接去拍，抢到就是赚到",
    "点下面小黄车，手快有手慢无，赶紧下单",
)
CLOSE_LINES = ("好，拍到的朋友把已拍两个字打在公屏上", "没抢到的不要急，我让运营再看看库存")
IDLE_LINES = (
    "刚进来的朋友点个关注，不要走开",
    "今天天气有点冷，大家都穿暖和一点",
    "我先喝口水，嗓子有点干了",
    "后台的小伙伴把音乐放小一点点",
    "大家晚饭都吃了什么，打在公屏上给我看看",
    "点点赞，我们点赞到十万就抽一个福袋",
    "有问题的慢慢打，我一个一个看",
    "刚才那位姐姐你的留言我看到了，等一下回你",
    "今天这一场我们播到晚上十二点",
    "有没有第一次来我直播间的朋友，扣个一",
    "镜头往这边挪一点，对，就是这样",
    "说到这个，我前两天还去了一趟工厂",
)
OPENING_LINES = ("欢迎欢迎，欢迎大家来到直播间", "我们今天准时开播，先跟老朋友们打个招呼", "来了的朋友先点个关注，马上开始")
LOTTERY_LINE = "来，抽福袋了，评论区打我要福袋四个字"

_DIGITS = "零一二三四五六七八九"


def spoken_number(value: int) -> str:
    """A whole number below ten thousand as it is said: 1999 → 一千九百九十九, 12 → 十二, 105 → 一百零五."""
    if not 0 <= value < 10_000:
        raise ValueError(f"{value} is not below ten thousand")
    said, gap = "", False
    for unit, name in ((1000, "千"), (100, "百"), (10, "十"), (1, "")):
        digit = value // unit % 10
        if digit:
            said += ("零" if gap and said else "") + _DIGITS[digit] + name
        gap = not digit
    return (said[1:] if said.startswith("一十") else said) or "零"


def spoken_price(fen: int) -> str:
    """A price as a host says it: 12990 → 一百二十九块九, 5900 → 五十九块, 199900 → 一千九百九十九块."""
    whole, rest = divmod(fen, 100)
    if not rest:
        return spoken_number(whole) + "块"
    return spoken_number(whole) + "块" + (_DIGITS[rest // 10] + (_DIGITS[rest % 10] if rest % 10 else ""))
