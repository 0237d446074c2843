"""The address book."""

from django.contrib import admin
from django.urls import include, path

from api.views.house import healthz
from threads.admin.system import system
from threads.language import set_language

urlpatterns = [
    path("admin/system/", admin.site.admin_view(system), name="system"),
    path("admin/", admin.site.urls),
    path("language", set_language, name="set_language"),
    path("api/", include("api.urls")),
    path("healthz", healthz),
]
