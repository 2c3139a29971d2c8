import { render } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { type PageData, pagePaths } from '../contract/page';

/** The operator's page. */
function Page() {
  const [data, setData] = useState<PageData | null>(null);
  useEffect(() => {
    const events = new EventSource(pagePaths.events);
    events.addEventListener('data', ({ data: text }: MessageEvent<string>) => setData(JSON.parse(text) as PageData));
    return () => events.close();
  }, []);
  return <main>{data?.rollout?.now.message ?? ''}</main>;
}

const root = document.getElementById('page');
if (root !== null) render(<Page />, root);
