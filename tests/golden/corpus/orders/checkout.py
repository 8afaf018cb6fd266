"""From a filled cart to a paid order."""

from orders.pricing import PriceList, apply_discount
from orders.stock import OutOfStock, Warehouse
from web.retry import with_backoff


class PaymentDeclined(Exception):
    """The bank refused the card."""


class Checkout:
    """Turns a cart into an order: reserve, charge, confirm; everything is undone when one step fails."""

    def __init__(self, warehouse: Warehouse, prices: PriceList, bank, mail):
        self.warehouse, self.prices, self.bank, self.mail = warehouse, prices, bank, mail

    def place_order(self, cart, customer):
        """Place the order of a customer and return its number.

        Raises OutOfStock before anything is charged, PaymentDeclined after the stock was given back.
        """
        held = self.warehouse.reserve(cart.lines)
        try:
            receipt = self._charge(customer, self._amount(cart, customer))
        except PaymentDeclined:
            self.warehouse.release(held)
            raise
        number = self._confirm(held, receipt)
        self.mail.push("order-placed", customer.address, number)
        return number

    def cancel_order(self, number):
        """Cancel an order that has not left the house, and pay the customer back."""
        order = self._orders[number]
        if order.shipped:
            raise ValueError(f"order {number} has been shipped already")
        self.bank.refund(order.receipt)
        self.warehouse.release(order.held)

    def _amount(self, cart, customer):
        total = sum(self.prices.price(line.article) * line.count for line in cart.lines)
        return apply_discount(total, customer.voucher)

    @with_backoff(attempts=3)
    def _charge(self, customer, amount):
        answer = self.bank.charge(customer.card, amount)
        if not answer.accepted:
            raise PaymentDeclined(answer.reason)
        return answer.receipt

    def _confirm(self, held, receipt):
        # the number is taken last, so that numbers have no gaps
        number = self.next_number()
        self._orders[number] = Order(held, receipt)
        return number
