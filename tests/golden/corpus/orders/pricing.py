from decimal import ROUND_HALF_EVEN, Decimal

RATES = {"DE": Decimal("0.19"), "FR": Decimal("0.20"), "CH": Decimal("0.081")}
BOOKS = {"DE": Decimal("0.07"), "FR": Decimal("0.055"), "CH": Decimal("0.026")}


class PriceList:
    def __init__(self, rows):
        self._rows = {row.article: row for row in rows}

    def price(self, article):
        return self._rows[article].amount

    def reprice(self, article, amount):
        self._rows[article] = self._rows[article].replace(amount=cents(amount))


def apply_discount(total, voucher):
    if voucher is None:
        return total
    if voucher.percent:
        return cents(total * (100 - voucher.percent) / 100)
    return max(Decimal(0), total - voucher.amount)


def vat(amount, country, is_book=False):
    table = BOOKS if is_book else RATES
    if country not in table:
        raise LookupError(f"no tax rate is known for {country}")
    return cents(amount * table[country])


def cents(amount):
    return Decimal(amount).quantize(Decimal("0.01"), ROUND_HALF_EVEN)
