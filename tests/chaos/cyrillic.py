"""SMS as people of the region write them: Russian, Ukrainian, Belarusian, Kazakh; short, long, shouted, mixed."""

from __future__ import annotations

import random
from dataclasses import dataclass


def words(listed: str) -> tuple[str, ...]:
    return tuple(listed.split())


RUSSIAN = words(
    """
    здравствуйте подскажите пожалуйста где мой заказ почему до сих пор не пришёл когда будет доставка ещё раз
    спасибо большое добрый вечер хочу узнать сколько стоит подключение номер договора адрес улица дом квартира
    подъезд этаж ёлка счёт приём оплатил вчера деньги списали услуга отключена верните перезвоните срочно жду
    ответа до свидания хорошо понял нет да объявление подъём съёмка въезд шлагбаум щётка эхо юбилей ящик мягкий
    ключ грузчики приедут завтра утром после обеда
    """
)
UKRAINIAN = words(
    """
    добрий день підкажіть будь ласка де моє замовлення чому досі не прийшло коли буде доставка дякую дуже хочу
    дізнатися скільки коштує підключення номер договору вулиця будинок квартира під'їзд поверх рахунок сплатив
    учора гроші зняли послугу вимкнено поверніть передзвоніть терміново чекаю відповіді їжак ґанок єдність щоб
    її своїх військо п'ять об'єкт
    """
)
BELARUSIAN = words(
    """
    добры дзень падкажыце калі ласка дзе мая замова чаму дагэтуль не прыйшла калі будзе дастаўка дзякуй вялікі
    хачу даведацца колькі каштуе падключэнне нумар дамовы вуліца дом кватэра пад'езд паверх рахунак заплаціў
    учора грошы знялі паслуга ператэлефануйце тэрмінова чакаю адказу воўк ёсць сёння ўвечары шчасце гадзіна
    няўжо дзякуем сустрэча аб'ект
    """
)
KAZAKH = words(
    """
    сәлеметсіз бе тапсырысым қайда неге әлі келген жоқ қашан жеткізіледі рахмет білгім келеді қанша тұрады
    қосылу шарт нөмірі көше үй пәтер қабат есепшот кеше төледім ақша алынды қызмет өшірілген қайтарыңыз қоңырау
    шалыңыз шұғыл жауап күтемін жақсы түсіндім иә жоқ бүгін ертең таңертең құрметпен өтінемін ғимарат һәм үкімет
    ұлы
    """
)
LANGUAGES = {"ru": RUSSIAN, "uk": UKRAINIAN, "be": BELARUSIAN, "kk": KAZAKH}
LATIN = ("OK", "SMS", "iPhone 15", "wi-fi", "Visa", "www.example.com", "AB-1234", "USB-C")
DIGITS = ("12345", "18:30", "+7 900 123-45-67", "№ 7", "1 500,50", "25.12.2026", "100%", "2+2=4", "#42", "a&b")
MARKS = ("!", "?", "...", " —", ",", ";", ":", " »", "(", ")", "\n", "…", "/", '"')
EMOJI = ("🙂", "👍🏽", "❤️", "👨‍👩‍👧", "🇰🇿", "🎉")
LENGTHS = (1, 1, 2, 3, 5, 8, 12, 20, 40, 120, 260)
"""Words; the longest comes to about 1,500 letters, which is the longest SMS there is."""
LONGEST = 1_530


@dataclass(frozen=True, kw_only=True, slots=True)
class Written:
    language: str
    text: str

    @property
    def fits_windows_1251(self) -> bool:
        try:
            self.text.encode("cp1251")
        except UnicodeEncodeError:
            return False
        return True

    @property
    def is_either(self) -> bool:
        """Its Windows-1251 bytes are valid UTF-8 too: nobody can tell, and a setting decides."""
        try:
            self.text.encode("cp1251").decode("utf-8")
        except UnicodeError:
            return False
        return True


def letters(text: str) -> int:
    """How many Cyrillic ones."""
    return sum("Ѐ" <= char <= "ӿ" for char in text)


def texts(count: int, seed: int = 1) -> list[Written]:
    """``count`` different texts of five letters and more, in turn in each language."""
    chance = random.Random(f"texts {seed}")
    found: dict[str, Written] = {}
    while len(found) < count:
        language = list(LANGUAGES)[len(found) % len(LANGUAGES)]
        text = _text(chance, LANGUAGES[language])
        if letters(text) >= 5:
            found.setdefault(text, Written(language=language, text=text))
    return list(found.values())


def _text(chance: random.Random, known: tuple[str, ...]) -> str:
    chosen = [_word(chance, chance.choice(known)) for _ in range(chance.choice(LENGTHS))]
    for extra in (LATIN, DIGITS):
        if chance.random() < 0.3:
            chosen.insert(chance.randint(0, len(chosen)), chance.choice(extra))
    if chance.random() < 0.15:
        chosen.insert(chance.randint(0, len(chosen)), chance.choice(EMOJI))
    text = " ".join(chosen)[:LONGEST]
    shape = chance.randrange(6)
    if shape == 0:
        return text.upper()
    if shape == 1:
        return text[0].upper() + text[1:]
    return text


def _word(chance: random.Random, word: str) -> str:
    if chance.random() < 0.2:
        return word + chance.choice(MARKS)
    return word.capitalize() if chance.random() < 0.1 else word
