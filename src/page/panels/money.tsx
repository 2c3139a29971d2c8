import type { MoneyPage } from '../../contract/page';
import { Card } from '../elements';
import { formatExactUsd, formatUsd } from '../format';

export function MoneyPanel({ money }: { readonly money: MoneyPage }) {
  return (
    <Card id="money" title="Money">
      <p title={formatExactUsd(money.todayNanoUsd)}>
        {formatUsd(money.todayNanoUsd)} of {formatUsd(money.dayCapNanoUsd)} today.
      </p>
    </Card>
  );
}
