import type { AuditPage } from '../../contract/page';
import { Card, TableBox, Time } from '../elements';

export function AuditPanel({ audit }: { readonly audit: AuditPage }) {
  return (
    <Card id="audit" title="Audit trail">
      <TableBox label="Audit trail">
        <table>
          <tbody>
            {audit.rows.map(({ position, atMs, actor, action, reason }) => (
              <tr key={position}>
                <td>
                  <Time atMs={atMs} />
                </td>
                <td>{actor}</td>
                <td>{action}</td>
                <td>{reason}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </TableBox>
    </Card>
  );
}
