import { formatMoney } from "./format";

export interface Line {
  article: string;
  count: number;
  /** Price of one piece in cents. */
  price: number;
}

/** The cart as the visitor sees it; kept in the browser until checkout. */
export class Cart {
  private lines: Line[] = [];

  constructor(private storage: Storage) {
    this.lines = JSON.parse(storage.getItem("cart") ?? "[]");
  }

  /** Put articles into the cart; a second line of the same article only raises the count. */
  addLine(line: Line): void {
    const present = this.lines.find((one) => one.article === line.article);
    if (present) present.count += line.count;
    else this.lines.push({ ...line });
    this.save();
  }

  removeLine(article: string): void {
    this.lines = this.lines.filter((line) => line.article !== article);
    this.save();
  }

  /** Sum of all lines in cents, before shipping and discounts. */
  subtotal(): number {
    return this.lines.reduce((sum, line) => sum + line.price * line.count, 0);
  }

  label(): string {
    return formatMoney(this.subtotal(), "EUR");
  }

  private save(): void {
    this.storage.setItem("cart", JSON.stringify(this.lines));
  }
}
