"""A page in Debian's chromium without a window, by what its driver speaks (WebDriver)."""

import base64
import json
import os
import re
import shutil
import subprocess
import tempfile
import urllib.error
import urllib.request
from pathlib import Path

import ztier

FONTS = '''<?xml version="1.0"?><!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig><dir>/usr/share/fonts</dir><dir>{fonts}</dir><cachedir>{cache}</cachedir>
<alias><family>sans-serif</family><prefer><family>DejaVu Sans</family></prefer></alias>
<alias><family>system-ui</family><prefer><family>DejaVu Sans</family></prefer></alias>
<alias><family>monospace</family><prefer><family>DejaVu Sans Mono</family></prefer></alias>
</fontconfig>
'''


class NoBrowser(Exception):
    """Why there is none."""


def programs():
    """Paths of chromium and its driver, and the environment they need: the machine's own, or
    from the cache."""
    found = {name: shutil.which(name) for name in ('chromium', 'chromedriver')}
    if all(found.values()):
        return {'CHROMIUM': found['chromium'], 'CHROMEDRIVER': found['chromedriver'],
                'FONTS': '/usr/share/fonts'}
    done = ztier.call('bash', '-c', '. "$0/common.sh" && . "$0/debs.sh" && chromium_env',
                      ztier.TOP / 'scripts/lib', stdout=subprocess.PIPE, text=True)
    if done.returncode:
        raise NoBrowser('chromium and chromium-driver are not installed and can\'t be downloaded')
    return dict(line.split('=', 1) for line in done.stdout.splitlines())


class Browser:
    """with Browser() as browser: ..."""

    def __enter__(self):
        needs = programs()
        self.folder = tempfile.TemporaryDirectory(prefix='ztier-browser-')
        home = Path(self.folder.name)
        (home / 'fonts.conf').write_text(FONTS.format(fonts=needs['FONTS'], cache=home / 'fonts'))
        env = {**os.environ, **needs, 'HOME': str(home), 'TMPDIR': str(home),
               'XDG_CONFIG_HOME': str(home), 'XDG_CACHE_HOME': str(home),
               'FONTCONFIG_FILE': str(home / 'fonts.conf')}
        self.log = open(home / 'driver.log', 'w+', encoding='utf-8', errors='replace')
        self.driver = None
        try:
            self.driver = subprocess.Popen([needs['CHROMEDRIVER'], '--port=0'], env=env,
                                           stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                           stderr=self.log, text=True, start_new_session=True)
            # it says at which port it listens, and why if it does not
            for line in self.driver.stdout:
                started = re.search(r'successfully on port (\d+)', line)
                if started:
                    break
            else:
                raise NoBrowser('chromedriver does not start: ' + self.last_words())
            self.base = f'http://127.0.0.1:{started[1]}'
            self.base += '/session/' + self.ask('POST', '/session', {'capabilities': {'alwaysMatch': {
                'goog:loggingPrefs': {'browser': 'ALL'},
                'goog:chromeOptions': {
                    'binary': needs['CHROMIUM'],
                    # the page is ours, and root has no sandbox
                    'args': ['--headless=new', '--no-sandbox', '--disable-gpu',
                             '--disable-dev-shm-usage', '--hide-scrollbars', '--no-first-run',
                             '--disable-background-networking', f'--user-data-dir={home / "profile"}'],
                }}}})['sessionId']
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        if self.driver:
            try:
                self.ask('DELETE', '')
            except (NoBrowser, AttributeError):
                pass
            ztier.stop_group(self.driver)
            self.driver.stdout.close()
        self.log.close()
        self.folder.cleanup()

    def last_words(self):
        self.log.seek(0)
        return (self.log.read().strip().splitlines() or ['it says nothing'])[-1]

    def ask(self, method, path, body=None):
        request = urllib.request.Request(
            self.base + path, method=method, headers={'Content-Type': 'application/json'},
            data=None if method == 'DELETE' else json.dumps(body or {}).encode())
        # not through the machine's proxy
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=120) as answer:
                return json.load(answer)['value']
        except urllib.error.HTTPError as error:
            raise NoBrowser(json.load(error)['value']['message'].splitlines()[0]) from error
        except OSError as error:
            raise NoBrowser(f'chromedriver does not answer: {error}') from error

    def devtools(self, command, **params):
        return self.ask('POST', '/goog/cdp/execute', {'cmd': command, 'params': params})

    def open(self, address, width, height, scheme):
        """Loads a page as on a screen of this size, for which light or dark is preferred."""
        self.devtools('Emulation.setDeviceMetricsOverride', width=width, height=height,
                      deviceScaleFactor=1, mobile=False)
        self.devtools('Emulation.setEmulatedMedia',
                      features=[{'name': 'prefers-color-scheme', 'value': scheme}])
        self.ask('POST', '/url', {'url': address})

    def evaluate(self, script):
        return self.ask('POST', '/execute/sync', {'script': script, 'args': []})

    def console(self):
        """What the browser has complained of since the last time."""
        return [each['message'] for each in self.ask('POST', '/se/log', {'type': 'browser'})]

    def screenshot(self, path):
        """All of the page."""
        # asked for, or the height is the one before something was closed
        width, height = self.evaluate('return [innerWidth, document.documentElement.scrollHeight]')
        shot = self.devtools('Page.captureScreenshot', format='png', captureBeyondViewport=True,
                             clip={'x': 0, 'y': 0, 'width': width, 'height': height, 'scale': 1})
        path.write_bytes(base64.b64decode(shot['data']))
