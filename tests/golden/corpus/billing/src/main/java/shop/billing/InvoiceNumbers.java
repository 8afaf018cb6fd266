package shop.billing;

import java.util.concurrent.atomic.AtomicInteger;

public class InvoiceNumbers {
    private final String prefix;
    private final AtomicInteger last;

    public InvoiceNumbers(String prefix, int last) {
        this.prefix = prefix;
        this.last = new AtomicInteger(last);
    }

    public String next(int year) {
        return String.format("%s-%d-%06d", prefix, year, last.incrementAndGet());
    }

    public static int yearOf(String number) {
        String[] parts = number.split("-");
        if (parts.length != 3) {
            throw new IllegalArgumentException("not an invoice number: " + number);
        }
        return Integer.parseInt(parts[1]);
    }
}
