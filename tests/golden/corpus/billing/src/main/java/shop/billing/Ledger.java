package shop.billing;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/** Double-entry accounts: what is taken from one account is given to another. */
public final class Ledger {
    private final List<Posting> postings = new ArrayList<>();
    private final Map<String, Long> balances = new TreeMap<>();

    /**
     * Moves an amount between two accounts.
     *
     * @param cents must be above zero
     * @throws IllegalArgumentException when it is not
     */
    public Posting post(String debit, String credit, long cents) {
        if (cents <= 0) {
            throw new IllegalArgumentException("amount must be positive: " + cents);
        }
        Posting posting = new Posting(postings.size(), debit, credit, cents);
        postings.add(posting);
        balances.merge(debit, -cents, Long::sum);
        balances.merge(credit, cents, Long::sum);
        return posting;
    }

    /** Books the opposite of a posting; nothing is ever deleted. */
    public Posting reverse(Posting posting) {
        return post(posting.credit(), posting.debit(), posting.cents());
    }

    public long balance(String account) {
        return balances.getOrDefault(account, 0L);
    }

    /** Tells whether all accounts add up to nothing, as they must. */
    public boolean isBalanced() {
        return balances.values().stream().mapToLong(Long::longValue).sum() == 0;
    }

    /** One booking. */
    public record Posting(int number, String debit, String credit, long cents) {}
}
